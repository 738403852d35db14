"""Download one file: with retries, resuming interrupted downloads, complete or not at all."""

from __future__ import annotations

import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from netlift import __version__
from netlift.core.errors import NetliftError
from netlift.datasets.schema import Progress

LARGEST = 2 * 10**9
"""Bytes after which a download of unknown size stops."""

_CHUNK = 2**18
_SECONDS_BETWEEN_LINES = 5.0
_RANGE_NOT_SATISFIABLE = 416
_RETRYABLE = (408, 425, 429)
_FAULTS = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class Patience:
    """How long to keep trying.

    Attributes
    ----------
    tries
        Consecutive attempts without progress before giving up.
    pause
        Seconds before the second attempt; doubled before each further one.
    timeout
        Seconds without an answer after which an attempt fails.
    """

    tries: int = 5
    pause: float = 1.0
    timeout: float = 30.0


class _Refused(Exception):
    """The server refused, and would refuse again."""


class _TooLong(_Refused):
    """The server has more bytes than the file may have."""


class _StalePart(Exception):
    """The partial download does not match the file that the server has now."""


def fetch(
    url: str,
    target: Path,
    *,
    check: Callable[[Path], None],
    progress: Progress,
    patience: Patience = Patience(),  # noqa: B008 (frozen)
    published: int | None = None,
) -> None:
    """Download ``url`` to ``target``, by way of a ``.part`` file in the same folder.

    An interrupted download is resumed if the server allows it. If a resumed download fails the
    check, the file is downloaded once more from the beginning.

    Parameters
    ----------
    url
        An http or https address.
    target
        The final file; it is created only when it is complete and checked.
    check
        Raises a `NetliftError` if a file is not the right one.
    progress
        Called with a line of text every few seconds.
    patience
        How long to keep trying.
    published
        Size of the file, bytes; a download never gets longer. Without it, it stops at ``LARGEST``.

    Raises
    ------
    NetliftError
        The file cannot be downloaded, or is not the right one. In the first case the ``.part``
        file is kept, in the second nothing is.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    resumed = _complete(url, part, progress, patience, published)
    try:
        check(part)
    except NetliftError:
        part.unlink()
        if not resumed:
            raise
        progress(f"{part.name} was stale: downloading again from the beginning")
        _complete(url, part, progress, patience, published)
        try:
            check(part)
        except NetliftError:
            part.unlink()
            raise
    part.replace(target)


def _complete(
    url: str, part: Path, progress: Progress, patience: Patience, published: int | None
) -> bool:
    """Download until the part is complete. Return whether an earlier part was resumed."""
    failures, pieces = 0, 0
    while True:
        before = _size(part)
        pieces += before > 0
        try:
            _fetch_rest(url, part, progress, patience.timeout, published)
        except _StalePart:
            part.unlink(missing_ok=True)
            progress(f"{part.name} does not match: downloading again from the beginning")
            failures += 1
            if failures >= patience.tries:
                raise _not_fetched(url, "the server gives inconsistent answers") from None
        except _TooLong as error:
            part.unlink(missing_ok=True)
            raise _not_fetched(url, str(error)) from error
        except _Refused as error:
            raise _not_fetched(url, str(error)) from error
        except _FAULTS as error:
            failures = 1 if _size(part) > before else failures + 1
            if failures >= patience.tries:
                raise _not_fetched(url, _reason(error)) from error
            pause = patience.pause * 2 ** (failures - 1)
            progress(f"{_reason(error)}: trying again in {pause:g} s")
            time.sleep(pause)
        else:
            return pieces > 0


def _fetch_rest(
    url: str, part: Path, progress: Progress, timeout: float, published: int | None
) -> None:
    have = _size(part)
    request = urllib.request.Request(url, headers={"User-Agent": f"netlift/{__version__}"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == _RANGE_NOT_SATISFIABLE and have:
                if error.headers.get("Content-Range", "").rpartition("/")[2] == str(have):
                    return
                raise _StalePart from error
            if error.code < 500 and error.code not in _RETRYABLE:
                raise _Refused(f"the server answered {error.code} {error.reason}") from error
            raise
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise _Refused(f"its certificate: {error.reason.verify_message}") from error
        raise
    with response:
        begin, total = _extent(response, have)
        _check_length(total or 0, published)
        with _writing(part):
            sink = part.open("ab" if begin else "wb", buffering=0)
        with sink:
            report = _Reporter(progress, part.stem, total)
            for data in _received(response, begin, total, report, published):
                with _writing(part):
                    _write(sink, data)


def _extent(response: http.client.HTTPResponse, have: int) -> tuple[int, int | None]:
    """Return the first byte of the answer, and the size of the whole file, if known."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        length = response.headers.get("Content-Length")
        return 0, None if length is None else int(length)
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != have:
        raise _StalePart
    return have, None if match[2] == "*" else int(match[2])


def _check_length(size: int, published: int | None) -> None:
    """Refuse a file that is longer than it may be, before the disk is full of it."""
    if published is not None and size > published:
        raise _TooLong(
            f"the server sends {size:,} bytes or more, but the published size is {published:,}"
        )
    if size > LARGEST and published is None:
        raise _TooLong(
            f"the server sends {size:,} bytes or more; without a published size (key bytes) a "
            f"download stops at {LARGEST:,}"
        )


def _received(
    response: http.client.HTTPResponse,
    done: int,
    total: int | None,
    report: _Reporter,
    published: int | None,
) -> Iterator[bytes]:
    while data := response.read(_CHUNK):
        _check_length(done + len(data), published)
        yield data
        done += len(data)
        report(done)
    if total is not None and done < total:
        raise ConnectionError(f"the connection was lost after {done:,} of {total:,} bytes")


def _write(sink: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[sink.write(rest) :]


@contextmanager
def _writing(part: Path) -> Iterator[None]:
    """Raise errors of writing at once: unlike a bad connection, a full disk is not retried."""
    try:
        yield
    except OSError as error:
        raise NetliftError(
            f"{part}: cannot be written ({error.strerror}). Free disk space, or allow writing "
            "there, and run again."
        ) from error


class _Reporter:
    """Reports every few seconds how much has been received."""

    def __init__(self, progress: Progress, name: str, total: int | None) -> None:
        self._progress = progress
        self._name = name
        self._total = total
        self._next = time.monotonic()

    def __call__(self, done: int) -> None:
        if time.monotonic() < self._next and done != self._total:
            return
        of = f" of {self._total / 1e6:,.1f} MB ({done / self._total:.0%})" if self._total else " MB"
        self._progress(f"{self._name}: {done / 1e6:,.1f}{of}")
        self._next = time.monotonic() + _SECONDS_BETWEEN_LINES


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: Exception) -> str:
    """Return the message of an error, without the wrapper of `urllib`."""
    if isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        return str(error.reason)
    return str(error) or type(error).__name__


def _not_fetched(url: str, reason: str) -> NetliftError:
    file = url.rpartition("/")[2]
    return NetliftError(
        f"{file}: cannot be downloaded from {url} ({reason}). Download it manually, put it into a "
        f"folder, and set the config key archives to that folder: "
        f"snakemake --config archives=FOLDER"
    )
