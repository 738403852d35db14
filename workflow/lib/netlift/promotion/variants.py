"""Promotions with several arms: the entries with two arms that they imply. Standard library only.

One draw gives each unit control or one of the variants. Each variant compared with control is a
promotion of its own, of the slates of these two arms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from netlift.promotion.treatment import TREATMENTS, Treatment

Json = dict[str, Any]

CONTROL = "control"
"""The name of the arm without a promotion."""


def contrast_name(name: str, variant: str) -> str:
    """Return the name under which a variant of a log or a promotion is compared with control.

    Names in the configuration have no point, so that nothing else has this name.
    """
    return f"{name}.{variant}"


def variant_entries(name: str, entry: Mapping[str, Any]) -> dict[str, Json]:
    """Return the entry of each variant compared with control, by the contrast's name.

    ``probability`` is that among the two arms, p_v / (p_v + p_0); ``probabilities`` has those of
    all variants in order, and ``variant`` the number of this one, from 1 on.

    Parameters
    ----------
    name
        The promotion.
    entry
        Its entry, with ``arms``.
    """
    arms = entry["arms"]
    probabilities = [arm["probability"] for arm in arms.values()]
    control = 1 - sum(probabilities)
    shared = {key: value for key, value in entry.items() if key != "arms"}
    return {
        contrast_name(name, variant): shared
        | arm
        | {
            "probability": arm["probability"] / (arm["probability"] + control),
            "probabilities": probabilities,
            "variant": number,
        }
        for number, (variant, arm) in enumerate(arms.items(), start=1)
    }


def two_arm_entries(promotions: Mapping[str, Mapping[str, Any]]) -> dict[str, Json]:
    """Return entries of promotions with two arms by name; of one with several, its contrasts."""
    entries: dict[str, Json] = {}
    for name, entry in promotions.items():
        entries |= variant_entries(name, entry) if "arms" in entry else {name: dict(entry)}
    return entries


def contrast_names(
    names: Iterable[str], promotions: Mapping[str, Mapping[str, Any]]
) -> tuple[str, ...]:
    """Return names of promotions, in place of one with several arms those of its contrasts."""
    return tuple(
        contrast
        for name in names
        for contrast in (
            [contrast_name(name, variant) for variant in promotions[name]["arms"]]
            if "arms" in promotions[name]
            else [name]
        )
    )


LEAST_CONTROL = 1e-6
"""The least probability of control: less is a rounding of probabilities that add up to 1."""


def variant_problems(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the key and the problem where the keys of several arms contradict each other.

    Parameters
    ----------
    entry
        A promotion's entry with ``arms``, which follows the schema.
    """
    arms = entry["arms"]
    for key in TREATMENTS:
        if key in entry:
            yield key, "each arm has its own: write it under arms.NAME"
    if len(arms) == 1:
        yield "arms", "one variant and control are two arms: write its keys without arms"
    for name, arm in arms.items():
        given = [key for key in TREATMENTS if key in arm]
        if len(given) != 1:
            what = " and ".join(given) or "nothing"
            yield (
                f"arms.{name}",
                f"say what the arm does, by one of {', '.join(TREATMENTS)}; {what} is given",
            )
    yield from _name_problems(list(arms))
    yield from _probability_problems([arm["probability"] for arm in arms.values()])
    if len({Treatment.from_config(arm).adds_focal_item for arm in arms.values()}) > 1:
        yield (
            "arms",
            "some variants show an item that control does not show (insert, replace), others one "
            "that it shows: of one slate only one can be true. Make two promotions of it",
        )


def _name_problems(names: list[str]) -> Iterator[tuple[str, str]]:
    seen = {CONTROL: CONTROL}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if name.casefold() == CONTROL:
            yield "arms", f"{name} is not a variant: control has what the variants leave"
        elif other != name:
            yield "arms", f"{name} and {other} differ only in case; rename one"


def _probability_problems(probabilities: list[float]) -> Iterator[tuple[str, str]]:
    if sum(probabilities) > 1 - LEAST_CONTROL:
        shown = " + ".join(f"{value:g}" for value in probabilities)
        yield (
            "arms",
            f"the probabilities of the variants must add up to less than 1; {shown} = "
            f"{sum(probabilities):g} leaves nothing for control",
        )
