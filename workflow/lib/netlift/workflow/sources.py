"""The source files behind a script: the script and all library modules that it imports."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from netlift.core.errors import NetliftError

LIBRARY = Path(__file__).parents[2]


SCRIPTS = Path(__file__).parents[3] / "scripts"


_NOT_READ = re.compile(r"#.*|\\\n|\bas\s+\w+")
"""Comments, line continuations, and the names after ``as``."""


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
        Modules that the script imports by a computed name, such as
        ``netlift.worlds.models.logit``.

    Returns
    -------
    Sorted paths.

    Raises
    ------
    NetliftError
        There is no such script or module.
    """
    files: set[Path] = set()
    start = SCRIPTS / f"{script}.py"
    pending = [start, *(_module_file(module) for module in modules)]
    for path in pending:
        if path is None or not path.is_file():
            raise NetliftError(f"no source file for {script} {' '.join(modules)}")
    while pending:
        path = pending.pop()
        if path is None or path in files:
            continue
        files.add(path)
        pending += _imports(path)
    return sorted(files)


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
    """Return the full names that a source text imports from the library; not all are modules.

    By pattern and not by Python's parser, which took a third of Snakemake's start-up time.
    Anything that looks like an import counts, even in a string: an extra module only rebuilds more.
    """
    imported = set()
    for module, names, modules in _IMPORT.findall(_NOT_READ.sub("", source)):
        if module:
            # A name that is imported from a package may be one of its modules.
            imported |= {module, *(f"{module}.{word}" for word in re.findall(r"\w+", names))}
        imported |= {
            name for name in re.findall(r"[\w.]+", modules) if name.split(".")[0] == "netlift"
        }
    return imported


@cache
def _module_file(module: str) -> Path | None:
    base = LIBRARY.joinpath(*module.split("."))
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    return None
