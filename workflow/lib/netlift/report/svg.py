"""Inline figures: their colors follow the page's theme, and they share the shapes of letters."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from xml.etree import ElementTree

from netlift.figures.drawing.themes import DARK, LIGHT, Theme

SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"

_SPACE = re.compile(r"\s+")
_LONG = re.compile(r"(\d+\.\d\d)\d+")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}\b")
_VARIABLES = {
    getattr(LIGHT, part.name).lower(): f"var(--{part.name.replace('_', '-')})"
    for part in reversed(fields(Theme))
} | {"#000000": "var(--ink)"}

ElementTree.register_namespace("", SVG)


@dataclass(frozen=True)
class Inlined:
    """A figure for a page.

    Attributes
    ----------
    svg
        The markup; its names begin with the figure's, so that several fit in one page.
    title
        Its title.
    """

    svg: str
    title: str


class Letters:
    """The shapes of letters that figures of one page share, each written once."""

    def __init__(self) -> None:
        self._shapes: dict[str, str] = {}

    def inline(self, name: str, text: str, *, heat_map: bool = False) -> Inlined:
        """Return a figure as inline markup, and keep the shapes of its letters.

        Parameters
        ----------
        name
            The figure's name, unique in the page.
        text
            An SVG file that ``save_figure`` wrote.
        heat_map
            Whether words are on colors of a map, which are the same in both themes; words on them
            then keep their color too.
        """
        root = ElementTree.fromstring(text)
        title = root.findtext(f"{{{SVG}}}title", default=name)
        for tag in ("title", "metadata"):
            for child in root.findall(f"{{{SVG}}}{tag}"):
                root.remove(child)
        self._take_letters(root)
        for element in root.iter():
            fixed = heat_map and element.find(f"{{{SVG}}}use") is not None
            style = element.get("style", "") if fixed else ""
            _compact(element, name)
            if "#ffffff" in style:
                element.set("style", style)
        root.set("class", "figure")
        root.set("role", "img")
        root.set("aria-label", title)
        for size in ("width", "height", "version"):
            root.attrib.pop(size, None)
        markup = ElementTree.tostring(root, encoding="unicode")
        return Inlined(markup.replace(f' xmlns="{SVG}"', "", 1), title)

    def _take_letters(self, root: ElementTree.Element) -> None:
        """Move the shapes of letters out of a figure; drop its style sheet."""
        for parent in [*root.iter(f"{{{SVG}}}g"), root]:
            for defs in parent.findall(f"{{{SVG}}}defs"):
                for shape in list(defs):
                    letter = shape.get("id", "")
                    if letter.startswith("DejaVu"):
                        path = _SPACE.sub(" ", shape.get("d", "")).strip()
                        move = f' transform="{shape.get("transform", "")}"'
                        self._shapes[letter] = f'<path id="{letter}" d="{path}"{move}/>'
                        defs.remove(shape)
                    elif shape.tag == f"{{{SVG}}}style":
                        defs.remove(shape)
                if len(defs) == 0:
                    parent.remove(defs)

    def defs(self) -> str:
        """Return one hidden SVG that holds every shape."""
        shapes = "".join(self._shapes[letter] for letter in sorted(self._shapes))
        return f'<svg class="letters" aria-hidden="true"><defs>{shapes}</defs></svg>'


def _compact(element: ElementTree.Element, name: str) -> None:
    """Remove white space from one element, prefix its names, and give it the page's colors."""
    element.text = (element.text or "").strip() or None
    element.tail = None
    link = element.attrib.pop(XLINK, None)
    if link is not None:
        element.set(
            "href", link if link.startswith(("#DejaVu", "data:")) else f"#{name}-{link[1:]}"
        )
    for key, value in list(element.attrib.items()):
        if key == "id":
            if element.tag == f"{{{SVG}}}g":
                del element.attrib["id"]  # names that nothing refers to
            else:
                element.set("id", f"{name}-{value}")
        elif key in ("d", "x", "y", "points"):
            element.set(key, _LONG.sub(r"\1", _SPACE.sub(" ", value).strip()))
        elif key == "clip-path":
            element.set(key, value.replace("url(#", f"url(#{name}-"))
        elif key in ("style", "fill", "stroke"):
            element.set(key, _COLOR.sub(_variable, value).replace(": ", ":").replace("; ", ";"))


def _variable(match: re.Match[str]) -> str:
    return _VARIABLES.get(match[0].lower(), match[0])


def style_sheet() -> str:
    """Return the colors of both themes as CSS: by the reader's system, and by choice."""

    def colors(theme: Theme) -> str:
        return "".join(
            f"--{part.name.replace('_', '-')}:{getattr(theme, part.name)};"
            for part in fields(theme)
        )

    light, dark = colors(LIGHT), colors(DARK)
    return (
        f":root{{color-scheme:light;{light}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light])"
        f"{{color-scheme:dark;{dark}}}}}"
        f"@media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}}}"
    )
