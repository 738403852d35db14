"""What the documentation names exists, and it is written in plain technical English."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from netlift.workflow.outputs import OUTPUTS

ROOT = Path(__file__).parents[2]
READERS_FILES = ("mine.yaml", "NAME", "fading.py", "reach.py")
GENERATED = ROOT / "docs/rule-graph.md"
FOLDERS = (".", "config", "docs", "results", "resources")
PAGES = sorted(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md"))
PROSE = [
    *PAGES,
    ROOT / "Makefile",
    *sorted((ROOT / "config").glob("**/*.yaml")),
    *sorted((ROOT / "profiles").glob("*/*.yaml")),
    *sorted((ROOT / "workflow/schemas").glob("*.json")),
    *sorted((ROOT / "workflow/report").iterdir()),
]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
PATH = re.compile(r"`((?:workflow|benchmarks|tests|config|profiles|docs|netlift)/[\w./-]+)`")
STIFF = re.compile(
    r"\b(held|holds?) .{0,40}against|(stands?|stood) beside|\banew\b|\bmend(s|ed)?\b"
    r"|what there is of|\basked (for|of)\b|\blies? (in|at|beside)\b|\bhangs? on\b|goes the same way"
    r"|what is wrong, or take",
    re.IGNORECASE,
)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_paths_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for file, anchor in LINK.findall(text):
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), file
        assert not anchor or anchor in anchors(target), f"{file}#{anchor}"
    for path in PATH.findall(text):
        name = path.rstrip("/")
        bases = (ROOT, ROOT / "workflow/lib")
        by_the_reader = any(word in name for word in READERS_FILES)
        assert by_the_reader or any((base / name).exists() for base in bases), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_exist(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE)) <= targets


def test_tables_in_the_glossary_are_made_by_rules():
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    rules += "".join(output.path for output in OUTPUTS)
    glossary = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    names = set(re.findall(r"([a-z_]+)\.(?:csv|parquet|json)`", glossary))
    assert len(names) > 15
    assert [name for name in sorted(names) if name not in rules] == []


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_prose_is_plain(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if path != GENERATED and STIFF.search(line)] == []


@pytest.fixture(scope="module")
def pictures():
    """The module that draws docs/promotions.md."""
    name = "promotion_pictures"
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pictures_of_promotions_show_what_the_code_does(pictures):
    """Orders written by hand; the pictures and tables of the docs are drawn from these."""
    orders = {example.name: pictures.orders(example)[:2] for example in pictures.EXAMPLES}
    assert orders == {
        "move_to_1": ("ABCDEF", "EABCDF"),
        "move_to_3": ("ABCDEF", "ABECDF"),
        "insert_kept": ("ABCDEF", "XABCDE"),
        "insert_grows": ("ABCDEF", "ABXCDEF"),
        "replace": ("ABCDEF", "ABXDEF"),
        "badge": ("ABCDEF", "ABCDEF"),
        "several": ("ABCDEF", "BDFACE"),
        "rerank": ("ABCDEF", "ADBCFE"),
    }
    exposed = {example.name: pictures.orders(example)[2] for example in pictures.EXAMPLES}
    assert exposed["insert_kept"] == dict(zip("ABCDEFX", DOWN, strict=True))
    assert exposed["replace"]["C"] == "pushed_out"
    assert set(exposed["badge"].values()) == {"focal", "unchanged"}


DOWN = (*("moved_down",) * 5, "pushed_out", "focal")


def test_the_page_of_promotions_is_what_make_docs_writes(pictures):
    page = (ROOT / "docs/promotions.md").read_text(encoding="utf-8")
    assert pictures.decision_table() in page
    assert pictures.exposure_table() in page
    folder = ROOT / "docs/images/promotions"
    assert {path.stem for path in folder.glob("*.svg")} == {e.name for e in pictures.EXAMPLES}
    for example in pictures.EXAMPLES:
        drawn = (folder / f"{example.name}.svg").read_text(encoding="utf-8")
        assert drawn == pictures.picture(example)
        before, after, exposed = pictures.orders(example)
        assert re.findall(r'text-anchor="middle">(\w)<', drawn) == [*before, *after]
        fills = re.findall(r'rx="4" fill="(#\w+)"', drawn)
        assert fills == [pictures.COLORS[exposed[item]] for item in (*before, *after)]


def test_make_clean_deletes_all_results_but_not_their_readme(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for folder in ("results/tiny/effects", "results/.hidden", "resources"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "README.md").touch()
    (tmp_path / "results/README.md").touch()
    (tmp_path / "results/index.html").touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["README.md"]
    assert (tmp_path / "resources/README.md").exists()
    shutil.rmtree(tmp_path / "results")
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)


def test_git_tracks_the_readme_of_results_and_nothing_else_there():
    paths = ["results/README.md", "results/index.html", "resources/README.md", "resources/x/y"]
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", *paths],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if ignored.returncode == 128:
        pytest.skip("not a git checkout")
    assert ignored.stdout.split() == ["results/index.html", "resources/x/y"]
