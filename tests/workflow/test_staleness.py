"""The source files behind a script, compared with what Python's own parser finds."""

import ast

import pytest

from netlift.workflow.sources import LIBRARY, SCRIPTS, imported_modules, source_files

SOURCES = sorted([*SCRIPTS.glob("*.py"), *(LIBRARY / "netlift").rglob("*.py")])


def parsed(source: str) -> set[str]:
    """Return what a source text imports from the library, by its syntax tree."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write imports in full, or they are missed"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.split(".")[0] == "netlift"}


def test_of_every_source_file_exactly_the_imports_are_found():
    for path in SOURCES:
        source = path.read_text(encoding="utf-8")
        assert imported_modules(source) == parsed(source), path
    assert sum(len(parsed(path.read_text(encoding="utf-8"))) for path in SOURCES) > 1000


@pytest.mark.parametrize(
    "source",
    [
        "import netlift",
        "import os, netlift.core.tables as tables, netlift.worlds.models.logit",
        "def f():\n    from netlift import worlds",
        "try: import netlift.core.tables\nexcept OSError: from netlift.core import streams; x = 1",
        "from netlift.core.units import (\n    PER_SLATE,  # per slate (each)\n    PER_ITEM,\n)",
        "from netlift.core.units import PER_SLATE, \\\n    PER_ITEM",
        "from netlift.datasets.entries import n_ratings as netlift_ratings",
        "import netliftoff\nfrom netliftoff import worlds\nnetlift = 1",
    ],
)
def test_no_way_to_write_an_import_is_missed(source):
    assert imported_modules(source) >= parsed(source)


def test_modules_are_followed_to_the_end_and_packages_are_among_them():
    names = {path.relative_to(LIBRARY).as_posix() for path in source_files("assign_promotion")[:-1]}
    assert {
        "netlift/__init__.py",
        "netlift/promotion/exposure.py",
        "netlift/core/streams.py",
    } <= names
    assert "netlift/worlds/models/logit.py" not in names
    more = source_files("assign_promotion", "netlift.worlds.models.logit")
    assert LIBRARY / "netlift/worlds/models/logit.py" in more
