"""Configuration files are read strictly: what YAML accepts in silence is refused with its line."""

import os
import subprocess
import sys
import time

import pytest
from configs import ROOT
from runs import checkout

from netlift.core.errors import NetliftError
from netlift.workflow.config_files import (
    MAX_BYTES,
    check_command_line,
    check_files,
    file_problems,
    text_problems,
)

LAUGHS = "a0: &a0 [1, 1, 1, 1]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
)
MERGED_LAUGHS = "a0: &a0 {x: 1}\n" + "".join(
    f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}\n" for level in range(1, 12)
)


@pytest.mark.parametrize("path", sorted((ROOT / "config").rglob("*.yaml")), ids=str)
def test_shipped_files_are_read(path):
    assert list(file_problems(path)) == []


@pytest.mark.parametrize(
    "text",
    [
        "base: &base {model: mnl}\nother: {<<: *base, b_r: 1}\nlast: *base\n",
        '{"study": {"seeds": [1, 2]}}',
        "study: {seeds: [0, 1, -1, 0.5, 0.0, 1e6, 0x10]}\n",
        'meanings: {"1": "010", "yes": "1:30"}\n',
    ],
)
def test_what_has_one_meaning_is_read(text):
    assert list(text_problems(text)) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: a is given twice (first in line 1); keep one"),
        ("a: {b: 1, c: 2, b: 3}\n", "line 1: a.b is given twice"),
        ('{"a": {"b": 1, "b": 2}}', "the key b is given twice"),
        ("a:\n  1: x\n", "line 2: a.1: this key is no text (int)"),
        ("a: {yes: x}\n", "a.yes: this key is no text (bool)"),
        ("a: {null: x}\n", "a.null: this key is no text (null)"),
        ("a: {2026-01-01: x}\n", "this key is no text (timestamp)"),
        ("a:\n\tb: 1\n", "indent with spaces, not with tabs"),
        ("a: [010]\n", "a: YAML reads 010 with base 8 or 60"),
        ("a: [1:30]\n", "a: YAML reads 1:30 with base 8 or 60"),
        ("a: 2026-13-45\n", "a value cannot be read"),
        ("a: !!int x\n", "a value cannot be read"),
        ("a: !!python/object:os.system x\n", "could not determine a constructor"),
        ("a: [1, 2\n", "line 2: expected"),
        ("a: 1\n---\nb: 2\n", "line 2: but found another document"),
        ("a: *b\n", "line 1: found undefined alias"),
        ("a: \x01\n", "line 1: special characters are not allowed"),
        ("__use_yte__: true\na: ?1+1\n", "without templates"),
        ("? [a, b]\n: 1\n", "this key is no text (seq)"),
        ("a: &a {b: *a}\n", "this anchor contains an alias of itself"),
        ("a: &a [[*a]]\n", "this anchor contains an alias of itself"),
        (LAUGHS, "more than 100,000 values"),
        (MERGED_LAUGHS, "more than 100,000 values"),
        ("a: " + "[" * 100 + "]" * 100, "more than 30 levels"),
        ("a: " + "[" * 50_000, "more than 30 levels"),
        ('{"a": ' + "[" * 100_000, "more than 30 levels"),
        ("", "no keys at the top level"),
        ("# nothing\n", "no keys at the top level"),
        ("- a\n", "no keys at the top level"),
        ("[1]", "no keys at the top level"),
        ("text", "no keys at the top level"),
    ],
)
def test_what_is_ambiguous_or_endless_is_refused_with_its_line(text, message):
    begin = time.process_time()
    assert message in "\n".join(text_problems(text))
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("study: {}\n".encode("utf-16"), "UTF-16"),
        ("study: {}\n".encode("utf-16-le"), "UTF-16"),
        ("study: {}\n".encode("utf-32"), "UTF-16 or UTF-32"),
        ("a: 1\ntitle: café\n".encode("latin-1"), "line 2: the byte 0xe9 is no UTF-8"),
        (b"x" * (MAX_BYTES + 1), "500,001 bytes"),
        (bytes(range(256)), "UTF-8"),
    ],
)
def test_other_encodings_are_named(tmp_path, content, message):
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(NetliftError) as caught:
        check_files([path])
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_byte_order_mark_of_utf_8_changes_nothing(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes("study: {seeds: [1]}\n".encode("utf-8-sig"))
    check_files([path])


def test_files_that_are_none_are_named_all_at_once(tmp_path):
    with pytest.raises(NetliftError) as caught:
        check_files([tmp_path, tmp_path / "none.yaml"])
    assert "is a folder" in str(caught.value)
    assert "there is no such file" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("dataset", "write --config key=value"),
        ("1a=3", "write --config key=value"),
        ("study={seeds: [1, 2}", "study: line 1"),
        ("study={seeds: [1], seeds: [2]}", "study.seeds is given twice"),
        ("study=&a {seeds: *a}", "alias of itself"),
    ],
)
def test_values_of_the_command_line_are_checked_before_snakemake_reads_them(value, message):
    with pytest.raises(NetliftError, match=r"--config cannot be used as it is") as caught:
        check_command_line([], [value])
    assert message in str(caught.value)


def test_usual_values_of_the_command_line_are_passed_on():
    check_command_line([], ["dataset=ml-1m", "slates={x: {n_slates: 10}}", "archives=", "study=3"])


# --- Through Snakemake ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return checkout(tmp_path_factory.mktemp("project"))


OVERLAYS = {
    "duplicate keys": (b"study: {seeds: [1]}\nstudy: {sizes: [6]}\n", "study is given twice"),
    "latin-1": ("title: é\n".encode("latin-1"), "is no UTF-8"),
    "an alias of itself": (b"study: &a {seeds: *a}\n", "alias of itself"),
    "a world above": (b"worlds: {..: {model: mnl}}\n", "worlds: the name '..' is not allowed"),
    "a reserved name": (b"grids: {sweep: {world: mnl, parameters: {b_r: [1]}}}\n", "grids: the na"),
    "a billion seeds": (b"sweep: {seeds: [0-999999999]}\n", "more than 100,000 seeds"),
    "a reversed range": (b"sweep: {seeds: [9-1]}\n", "did you mean 1-9?"),
    "an exponent": (
        b"slates: {x: {n_slates: 1e9}}\n",
        "slates.x.n_slates: 1000000000 is not allowed",
    ),
}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_is_refused_without_a_traceback(project, name):
    content, message = OVERLAYS[name]
    (project / "overlay.yaml").write_bytes(content)
    words = ["snakemake", "-n", "--cores", "1", "--configfile", "overlay.yaml"]
    text = module(project, "netlift", *words)
    assert message in text
    assert "Traceback" not in text


@pytest.mark.slow
@pytest.mark.long
def test_the_project_s_own_file_is_read_strictly_by_plain_snakemake(project):
    path = project / "config/config.yaml"
    sound = path.read_bytes()
    path.write_bytes(sound + b"\npolicy: {cost: 1}\n")
    text = module(project, "snakemake", "-n", "--cores", "1")
    path.write_bytes(sound)
    assert "policy is given twice" in text
    assert "Traceback" not in text


def module(folder, name: str, *arguments: str) -> str:
    """Run a command that is refused; return its output."""
    done = subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "workflow/lib")},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (1, 2)
    return done.stdout + done.stderr
