"""The pictures and the tables of docs/promotions.md: each treatment's two orders, from the library.

`make docs` writes them. Orders and colors follow from netlift/promotion/positions.py, so that they
show what the code does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from netlift.figures.drawing.themes import LIGHT
from netlift.promotion.positions import EXPOSURES, NOT_SHOWN, exposures, promoted_positions
from netlift.promotion.treatment import Treatment

SLATE = "ABCDEF"
"""The items of the slate without promotion, in order."""

SCORES = (3.0, 2.4, 2.1, 1.5, 1.2, 0.4)
"""Their scores, for a boost."""

COLORS = {
    "focal": LIGHT.focal,
    "moved_down": LIGHT.other,
    "moved_up": LIGHT.gains,
    "unchanged": LIGHT.control,
    "pushed_out": LIGHT.same_cluster,
}
WORDS = {
    "focal": "focal item",
    "moved_down": "moves down",
    "moved_up": "moves up",
    "unchanged": "unchanged",
    "pushed_out": "pushed out",
}

_BOX, _STEP, _LEFT, _TOP = 30, 36, 128, 10


@dataclass(frozen=True)
class Example:
    """A promotion of the slate A to F.

    Attributes
    ----------
    name
        Name of its picture.
    what
        What a team does, in the words of the decision table.
    entry
        What its entry under ``promotions`` says, in YAML; one key to a line.
    focal
        The focal items: letters of the slate, or one that it does not show without promotion.
    """

    name: str
    what: str
    entry: str
    focal: str

    @property
    def treatment(self) -> Treatment:
        """The treatment of the entry."""
        return Treatment.from_config(yaml.safe_load(self.entry))

    @property
    def items(self) -> str:
        """The items of the slate, and after them a focal item that it does not show."""
        return SLATE + "".join(letter for letter in self.focal if letter not in SLATE)


EXAMPLES = (
    Example(
        "move_to_1",
        "pin an item of the slate to the top",
        "move: {to: 1}",
        "E",
    ),
    Example(
        "move_to_3",
        "pin an item of the slate to another slot",
        "move: {to: 3}",
        "E",
    ),
    Example(
        "insert_kept",
        "insert an item that was not on the page; the last one falls off",
        "insert: {at: 1, length: kept}",
        "X",
    ),
    Example(
        "insert_grows",
        "insert an item that was not on the page, which gets longer",
        "insert: {at: 3, length: grows}",
        "X",
    ),
    Example(
        "replace",
        "show an item instead of another one",
        "replace: {at: 3}",
        "X",
    ),
    Example(
        "badge",
        "mark an item where it is: a badge, a label, a larger picture",
        "badge: {}",
        "E",
    ),
    Example(
        "several",
        "promote a set of items at once: a campaign, a brand",
        "move: {to: 1}\nfocal_items: 3",
        "BDF",
    ),
    Example(
        "rerank",
        "raise the score of an item or a set, and let the ranker order the slate: a boosted "
        f"campaign. Here the scores of A to F are {', '.join(f'{score:g}' for score in SCORES)}",
        "rerank: {boost: 1}\nfocal_items: 2",
        "DF",
    ),
)


def orders(example: Example) -> tuple[str, str, dict[str, str]]:
    """Return the order without and with promotion, and what it does to each item."""
    treatment, items = example.treatment, example.items
    position = np.array([1 + SLATE.index(x) if x in SLATE else NOT_SHOWN for x in items])
    is_focal = np.array([x in example.focal for x in items])
    scores = np.array(SCORES) if treatment.boost is not None else None
    promoted = promoted_positions(treatment, position, is_focal, np.array([0]), scores)
    codes = exposures(position, promoted, is_focal)
    return (
        _in_order(items, position),
        _in_order(items, promoted),
        {item: EXPOSURES[code] for item, code in zip(items, codes, strict=True)},
    )


def _in_order(items: str, position: np.ndarray) -> str:
    shown = [(place, item) for place, item in zip(position, items, strict=True) if place]
    return "".join(item for _, item in sorted(shown))


def picture(example: Example) -> str:
    """Return an SVG of both orders: a box for each item, in the color of what happens to it."""
    before, after, exposed = orders(example)
    used = [name for name in COLORS if name in exposed.values()]
    width = _LEFT + _STEP * max(len(before), len(after), len(SLATE) + 1)
    height = _TOP + 3 * _STEP + 4
    texts = [
        _row("without promotion", before, exposed, 0),
        _row(
            "with promotion",
            after,
            exposed,
            1,
            marked=example.focal if example.treatment.kind == "badge" else "",
        ),
        _legend(used, 2),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" font-family="sans-serif" font-size="12">\n'
        f"<title>{_title(example)}</title>\n"
        f'<rect width="{width}" height="{height}" fill="{LIGHT.paper}"/>\n'
        + "\n".join(texts)
        + "\n</svg>\n"
    )


def _title(example: Example) -> str:
    before, after, _ = orders(example)
    return f"{_one_line(example)}: {' '.join(before)} becomes {' '.join(after)}"


def _one_line(example: Example) -> str:
    return example.entry.replace("\n", ", ")


def _row(heading: str, order: str, exposed: dict[str, str], row: int, *, marked: str = "") -> str:
    y = _TOP + row * _STEP
    boxes = [f'<text x="4" y="{y + 20}" fill="{LIGHT.ink}">{heading}</text>']
    for index, item in enumerate(order):
        x, color = _LEFT + index * _STEP, COLORS[exposed[item]]
        boxes.append(
            f'<rect x="{x}" y="{y}" width="{_BOX}" height="{_BOX}" rx="4" fill="{color}"/>'
            f'<text x="{x + _BOX / 2:g}" y="{y + 20}" fill="{LIGHT.paper}" font-size="15" '
            f'font-weight="bold" text-anchor="middle">{item}</text>'
        )
        if item in marked:
            boxes.append(
                f'<circle cx="{x + _BOX}" cy="{y + 2}" r="6" fill="{LIGHT.loses}" '
                f'stroke="{LIGHT.paper}" stroke-width="2"><title>badge</title></circle>'
            )
    return "\n".join(boxes)


def _legend(used: list[str], row: int) -> str:
    y, x, keys = _TOP + row * _STEP + 6, 4, []
    for name in used:
        keys.append(
            f'<rect x="{x}" y="{y}" width="12" height="12" rx="2" fill="{COLORS[name]}"/>'
            f'<text x="{x + 17}" y="{y + 10}" fill="{LIGHT.muted}" font-size="11">{WORDS[name]}'
            "</text>"
        )
        x += 32 + 7 * len(WORDS[name])
    return "\n".join(keys)


def decision_table() -> str:
    """Return the decision table in Markdown."""
    lines = ["| what you do | both orders | entry under `promotions` |", "|---|---|---|"]
    for example in EXAMPLES:
        image = f"![{_title(example)}](images/promotions/{example.name}.svg)"
        lines.append(f"| {example.what} | {image} | `{_one_line(example)}` |")
    return "\n".join(lines) + "\n"


def exposure_table() -> str:
    """Return in Markdown, for each example, which items are counted how."""
    lines = [
        f"| entry | {' | '.join(f'`{name}`' for name in EXPOSURES)} |",
        "|---" * (len(EXPOSURES) + 1) + "|",
    ]
    for example in EXAMPLES:
        _, _, exposed = orders(example)
        cells = [" ".join(x for x, code in exposed.items() if code == name) for name in EXPOSURES]
        lines.append(f"| `{_one_line(example)}` | {' | '.join(c or '-' for c in cells)} |")
    return "\n".join(lines) + "\n"


def write_pictures(folder: Path) -> None:
    """Write every picture into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for example in EXAMPLES:
        (folder / f"{example.name}.svg").write_text(picture(example), encoding="utf-8")
