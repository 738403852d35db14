"""The content of files that no job makes: whatever time stamps say."""

import os
import time

import pytest

from netlift.workflow import contents


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    contents._hash.cache_clear()


def fresh_hash(*files):
    """Return the hash as the next run computes it."""
    contents._hash.cache_clear()
    return contents.content(files)


def rewrite(path, data: bytes):
    """Replace a file's content in place; its size and its time stamps stay."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_names_and_content_count_and_order_does_not(folder):
    (folder / "a").write_text("1")
    (folder / "b").write_text("2")
    both = fresh_hash("a", "b")
    assert fresh_hash("b", "a", "a") == both
    assert fresh_hash("a") != both
    (folder / "a").write_text("2")
    (folder / "b").write_text("1")
    assert fresh_hash("a", "b") != both


@pytest.mark.parametrize("size", [10, contents.LARGE + 10], ids=["small", "large"])
def test_a_change_that_keeps_size_and_time_stamp_is_seen(folder, size, monkeypatch):
    monkeypatch.setattr(contents, "SETTLED", 0.0)
    path = folder / "log.csv"
    path.write_bytes(b"1" * size)
    before = fresh_hash("log.csv")
    assert fresh_hash("log.csv") == before
    time.sleep(0.02)  # the clock of a file system ticks every few milliseconds
    rewrite(path, b"2")
    assert fresh_hash("log.csv") != before


def test_a_large_file_is_read_once_and_again_only_after_a_change(folder, monkeypatch):
    read = []
    monkeypatch.setattr(contents, "_read", lambda file: read.append(file) or f"hash {len(read)}")
    path = folder / "log.csv"
    path.write_bytes(b"1" * (contents.LARGE + 1))
    fresh_hash("log.csv")
    fresh_hash("log.csv")
    assert len(read) == 2, "a file that has just changed may change again unseen"
    monkeypatch.setattr(contents, "SETTLED", 0.0)
    kept = fresh_hash("log.csv")
    assert fresh_hash("log.csv") == kept
    assert len(read) == 3
    os.utime(path)
    assert fresh_hash("log.csv") != kept
    contents.CACHE.write_text("damaged")
    fresh_hash("log.csv")
    assert len(read) == 5
