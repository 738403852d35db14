"""Fetch one file from the web: retried, resumed where it broke off, whole or not at all."""

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

_CHUNK = 2**18
_SECONDS_BETWEEN_LINES = 5.0
_RANGE_NOT_SATISFIABLE = 416
_WORTH_ANOTHER_TRY = (408, 425, 429)
_FAULTS = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class Patience:
    """How long to keep trying.

    Attributes
    ----------
    tries
        Attempts in a row that brought nothing, before giving up.
    pause
        Seconds before the second attempt; doubled before each further one.
    timeout
        Seconds without an answer after which an attempt has failed.
    """

    tries: int = 5
    pause: float = 1.0
    timeout: float = 30.0


class _GivenUp(Exception):
    """The server said no, and would say no again."""


class _StalePart(Exception):
    """What was fetched before does not fit what the server has now."""


def fetch(
    url: str,
    target: Path,
    *,
    check: Callable[[Path], None],
    progress: Progress,
    patience: Patience = Patience(),  # noqa: B008 (frozen)
) -> None:
    """Download ``url`` to ``target``, through a file with the ending ``.part`` beside it.

    An interrupted download goes on where it stopped if the server allows it. What was fetched
    in two goes and turns out wrong is fetched once more from the beginning.

    Parameters
    ----------
    url
        An http or https address.
    target
        The final file; it appears only when it is complete and checked.
    check
        Raises a `NetliftError` if the file that it is given is not the right one.
    progress
        Takes a line every few seconds.
    patience
        How long to keep trying.

    Raises
    ------
    NetliftError
        The file cannot be fetched, or is not the right one. In the first case what has arrived
        stays in the ``.part`` file, in the second nothing stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    resumed = _complete(url, part, progress, patience)
    try:
        check(part)
    except NetliftError:
        part.unlink()
        if not resumed:
            raise
        progress(f"{part.name} was stale: fetching it again from the beginning")
        _complete(url, part, progress, patience)
        try:
            check(part)
        except NetliftError:
            part.unlink()
            raise
    part.replace(target)


def _complete(url: str, part: Path, progress: Progress, patience: Patience) -> bool:
    """Fetch until the part is the whole. Return whether it was made in more than one go."""
    failures, pieces = 0, 0
    while True:
        before = _size(part)
        pieces += before > 0
        try:
            _fetch_rest(url, part, progress, patience.timeout)
        except _StalePart:
            part.unlink(missing_ok=True)
            progress(f"{part.name} does not fit: fetching it again from the beginning")
            failures += 1
            if failures >= patience.tries:
                raise _not_fetched(url, "the server contradicts itself") from None
        except _GivenUp as error:
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


def _fetch_rest(url: str, part: Path, progress: Progress, timeout: float) -> None:
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
            if error.code < 500 and error.code not in _WORTH_ANOTHER_TRY:
                raise _GivenUp(f"the server says {error.code} {error.reason}") from error
            raise
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise _GivenUp(f"its certificate: {error.reason.verify_message}") from error
        raise
    with response:
        begin, total = _extent(response, have)
        with _writing(part):
            sink = part.open("ab" if begin else "wb", buffering=0)
        with sink:
            report = _Reporter(progress, part.stem, total)
            for data in _received(response, begin, total, report):
                with _writing(part):
                    _write(sink, data)


def _extent(response: http.client.HTTPResponse, have: int) -> tuple[int, int | None]:
    """Return at which byte the answer begins, and how long the whole file is, if that is known."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        length = response.headers.get("Content-Length")
        return 0, None if length is None else int(length)
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != have:
        raise _StalePart
    return have, None if found[2] == "*" else int(found[2])


def _received(
    response: http.client.HTTPResponse, done: int, total: int | None, report: _Reporter
) -> Iterator[bytes]:
    while data := response.read(_CHUNK):
        yield data
        done += len(data)
        report(done)
    if total is not None and done < total:
        raise ConnectionError(f"the connection broke off after {done:,} of {total:,} bytes")


def _write(sink: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[sink.write(rest) :]


@contextmanager
def _writing(part: Path) -> Iterator[None]:
    """Tell a full disk from a bad connection: waiting does not mend it."""
    try:
        yield
    except OSError as error:
        raise NetliftError(
            f"{part}: cannot be written ({error.strerror}). Make room for it, or give the right "
            "to write there, and run again."
        ) from error


class _Reporter:
    """Tells every few seconds how much has arrived."""

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
    """Return what went wrong, without the wrapping that `urllib` puts around it."""
    if isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        return str(error.reason)
    return str(error) or type(error).__name__


def _not_fetched(url: str, reason: str) -> NetliftError:
    file = url.rpartition("/")[2]
    return NetliftError(
        f"{file}: cannot be downloaded from {url} ({reason}). Fetch it by hand, put it into a "
        f"folder, and set the config key archives to that folder: "
        f"snakemake --config archives=FOLDER"
    )
