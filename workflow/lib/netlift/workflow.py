"""What Snakemake needs of the library: the source files behind a script, and a script's frame."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from netlift.checksums import check_files, note_checksums
from netlift.errors import NetliftError
from netlift.tables import is_disk_full

LIBRARY = Path(__file__).parents[1]
SCRIPTS = Path(__file__).parents[2] / "scripts"

_NOT_READ = re.compile(r"#.*|\\\n|\bas\s+\w+")
"""Comments, the ends of lines that go on, and names given to what is imported."""

_IMPORT = re.compile(
    r"\bfrom\s+(netlift(?:\.\w+)*)\s+import\s+(\([^)]*\)|[^\n;]*)"
    r"|\bimport\s+([^\n;]*\bnetlift\b[^\n;]*)"
)


def source_files(script: str, *modules: str) -> list[Path]:
    """Return a script and every module of the library that it imports, directly or not.

    As inputs of a rule they make its outputs stale when, and only when, code behind them changes.
    Imports are read from the source text, those inside functions too; nothing is run.

    Parameters
    ----------
    script
        Name of a script, without its ending.
    modules
        Modules that the script imports by a name that it computes, as ``netlift.worlds.logit``.

    Returns
    -------
    Sorted paths.

    Raises
    ------
    NetliftError
        There is no such script or module.
    """
    found: set[Path] = set()
    start = SCRIPTS / f"{script}.py"
    waiting = [start, *(_module_file(module) for module in modules)]
    for path in waiting:
        if path is None or not path.is_file():
            raise NetliftError(f"no source file for {script} {' '.join(modules)}")
    while waiting:
        path = waiting.pop()
        if path is None or path in found:
            continue
        found.add(path)
        waiting += _imports(path)
    return sorted(found)


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    """Return the files of the library's modules that one source file imports."""
    files: set[Path] = set()
    for module in imported_modules(path.read_text(encoding="utf-8")):
        parts = module.split(".")
        packages = [".".join(parts[: end + 1]) for end in range(len(parts))]
        files.update(file for package in packages if (file := _module_file(package)))
    return tuple(sorted(files))


def imported_modules(source: str) -> set[str]:
    """Return what a source text imports of the library, by full name; a name may be no module.

    By pattern and not by Python's parser, which took a third of each start of Snakemake. Anything
    that looks like an import counts, in a text too: a module too many only rebuilds too much.
    """
    found = set()
    for module, names, modules in _IMPORT.findall(_NOT_READ.sub("", source)):
        if module:
            # A name that is imported from a package may be one of its modules.
            found |= {module, *(f"{module}.{word}" for word in re.findall(r"\w+", names))}
        found |= {
            name for name in re.findall(r"[\w.]+", modules) if name.split(".")[0] == "netlift"
        }
    return found


@cache
def _module_file(module: str) -> Path | None:
    base = LIBRARY.joinpath(*module.split("."))
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    return None


@contextmanager
def job(snakemake: Any) -> Iterator[logging.Logger]:
    """Run a script's work: messages go to the rule's log, an error ends it cleanly.

    What is said to the logger ``netlift.progress`` is shown on the screen too: for work that may
    take minutes.

    An error that the user can mend, a full disk among them, is one message on the screen and in
    the log; any other one leaves its traceback in both. Inputs are held against the checksums that
    were noted when they were made.

    Parameters
    ----------
    snakemake
        The object that Snakemake gives to a script.
    """
    log = logging.getLogger("netlift")
    log.setLevel(logging.INFO)
    formatter = logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S")
    file = _log_file(snakemake)
    file.setFormatter(formatter)
    log.addHandler(file)
    screen = logging.StreamHandler()
    logging.getLogger("netlift.progress").addHandler(screen)
    try:
        log.info("%s: start", snakemake.rule)
        check_files(snakemake.input)
        yield log
        note_checksums(snakemake.output)
        log.info("%s: done", snakemake.rule)
    except NetliftError as error:
        _end(snakemake, log, error)
    except BaseException as error:
        if isinstance(error, Exception) and is_disk_full(error):
            _end(snakemake, log, f"The disk is full: {error}. Make room and run again.")
        log.exception("unexpected error")
        raise
    finally:
        log.removeHandler(file)
        logging.getLogger("netlift.progress").removeHandler(screen)
        file.close()


def _log_file(snakemake: Any) -> logging.Handler:
    """Open a job's log; without one, say why and end."""
    logging.raiseExceptions = False  # a log on a disk that is full is no news, and no traceback
    try:
        return logging.FileHandler(snakemake.log[0], mode="w", encoding="utf-8")
    except OSError as error:
        _say(snakemake, f"{snakemake.log[0]}: cannot be written ({error.strerror})")
        sys.exit(1)


def _end(snakemake: Any, log: logging.Logger, error: object) -> NoReturn:
    log.error("error: %s", error)
    _say(snakemake, error)
    sys.exit(1)


def _say(snakemake: Any, error: object) -> None:
    print(f"\nNetlift cannot go on ({snakemake.rule}):\n{error}\n", file=sys.stderr)
