"""Citations in docs/methods.md are complete: each reference is cited, each citation is listed."""

import re
from pathlib import Path

METHODS = (Path(__file__).parents[2] / "docs/methods.md").read_text(encoding="utf-8")
YEAR = re.compile(r"(?<![\d,.])(1[89]\d\d|20[0-3]\d)(?![\d,]\d|\d)")
NEAR = 90
"""Characters before a year within which its author must be named."""


def parts(text: str) -> tuple[str, dict[tuple[str, str], str]]:
    """Return the text in one line, and the references by first author and year."""
    body, listed = text.split("## References")
    references = {}
    for line in listed.splitlines():
        if line.startswith("- "):
            found = re.match(r"- (.+?), .*?\((\d{4})(?:/\d{4})?\)\.", line)
            assert found, f"no author and year: {line}"
            references[found[1], found[2]] = line
    return " ".join(body.split()), references


def uncited(text: str) -> set[tuple[str, str]]:
    """Return references that the text does not cite."""
    body, references = parts(text)
    return {
        (author, year)
        for author, year in references
        if not re.search(rf"\b{re.escape(author)}\b(?:(?!\d{{4}}).){{0,{NEAR}}}\b{year}\b", body)
    }


def unlisted(text: str) -> list[str]:
    """Return citations that are not in the list of references: a name, then a year."""
    body, references = parts(text)
    missing = []
    for year in YEAR.finditer(body):
        before = body[max(0, year.start() - NEAR) : year.start()]
        # A citation has its year after a name, "et al.", a possessive or a bracket.
        if not re.search(r"(?:[A-Z][\w-]+|et al\.|'s|\() ?\(?$", before):
            continue
        if not any(author in before for author, of in references if of == year[0]):
            missing.append(f"{before[-40:]}{year[0]}")
    return missing


def test_each_reference_is_cited():
    assert not uncited(METHODS)


def test_each_citation_is_listed():
    assert not unlisted(METHODS)


def test_a_missing_citation_and_a_missing_reference_are_found():
    text = "As Smith (2001) says; see Jones and Miller (2002).\n## References\n"
    text += "- Smith, A. (2001). One.\n- Brown, B. (2003). Two.\n"
    assert uncited(text) == {("Brown", "2003")}
    assert len(unlisted(text)) == 1
    assert unlisted(text)[0].endswith("Miller (2002")


def test_references_are_in_order():
    authors = [author.lower() for author, _ in parts(METHODS)[1]]
    assert authors == sorted(authors)
