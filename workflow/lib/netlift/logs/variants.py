"""Logs with several arms: control and named variants, and the two-arm entries that they imply.

Standard library only, as ``entries`` is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from netlift.core.errors import listed
from netlift.promotion.treatment import TREATMENTS, Treatment
from netlift.promotion.variants import CONTROL, contrast_name

Json = dict[str, Any]

SUM_TOLERANCE = 1e-6
"""By how much the probabilities of all arms may miss 1."""

ARM_ORDER = "arm_order"
"""Key of the settings of a rule, which are sorted, with the order of the variants."""

OF_VARIANTS = tuple(name for name in TREATMENTS if name != "rerank")
"""What a variant can do. The other order of ``rerank`` is one column, so for one variant only."""

_OF_ARMS = ("arms", CONTROL, ARM_ORDER)


@dataclass(frozen=True)
class Arm:
    """One arm of a log with several.

    Attributes
    ----------
    name
        ``control``, or the name of the variant.
    values
        The texts of the arm in the log's column.
    probability
        The probability of the arm, if it is the same for all slates; else None.
    column
        The log's column with the probability of the arm; else None.
    treatment
        What is done to slates of the arm; None for control.
    """

    name: str
    values: tuple[str, ...]
    probability: float | None = None
    column: str | None = None
    treatment: Treatment | None = None

    @classmethod
    def from_config(cls, name: str, entry: Mapping[str, Any], *, in_block: bool = False) -> Self:
        """Parse an entry of ``promotion.arms``, or ``promotion.control``.

        ``in_block`` is whether slates are pages of several blocks.
        """
        return cls(
            name,
            tuple(entry.get("values", (name,))),
            entry.get("probability"),
            entry.get("probability_column"),
            None if name == CONTROL else replace(Treatment.from_config(entry), in_block=in_block),
        )


def arms_of(promotion: Mapping[str, Any], *, in_block: bool = False) -> tuple[Arm, ...]:
    """Return the arms of a ``promotion`` of a log, control first; none without ``arms``.

    ``in_block`` is whether its slates are pages of several blocks.
    """
    if "arms" not in promotion:
        return ()
    entries = {CONTROL: promotion.get(CONTROL, {})} | promotion["arms"]
    order = [CONTROL, *promotion.get(ARM_ORDER, promotion["arms"])]
    shared = {key: promotion[key] for key in ("focal_items",) if key in promotion}
    return tuple(
        Arm.from_config(name, {**shared, **entries[name]}, in_block=in_block) for name in order
    )


def contrast_entries(name: str, entry: Mapping[str, Any]) -> dict[str, Json]:
    """Return the entry of each contrast of a log with several arms, by the contrast's name.

    Each is an ordinary entry with two arms: one variant is promoted, control is control. The
    probability of promotion is that among the two, p_v / (p_v + p_0); where probabilities are in
    columns, the accounts compute it.

    Parameters
    ----------
    name
        The log.
    entry
        Its entry, with ``promotion.arms``.
    """
    promotion = entry["promotion"]
    control, *variants = arms_of(promotion)
    contrasts = {}
    for number, arm in enumerate(variants, start=1):
        own = promotion["arms"][arm.name]
        of_contrast = {key: value for key, value in promotion.items() if key not in _OF_ARMS}
        of_contrast |= {key: own[key] for key in OF_VARIANTS if key in own}
        of_contrast["contrast"] = {"log": name, "variant": arm.name, "number": number}
        columns = dict(entry["columns"])
        if arm.column is None:
            of_contrast["probability"] = _conditional(arm, control)
        else:
            columns["probability"] = arm.column
        meanings = {"promoted": list(arm.values), "control": list(control.values)}
        contrasts[contrast_name(name, arm.name)] = {
            **entry,
            "title": f"{entry.get('title') or name}: {arm.name} against control",
            "columns": columns,
            "meanings": {**entry.get("meanings", {}), "promoted": meanings},
            "promotion": of_contrast,
        }
    return contrasts


def _conditional(arm: Arm, control: Arm) -> float:
    """Return the probability of an arm among itself and control."""
    assert arm.probability is not None
    assert control.probability is not None
    return arm.probability / (arm.probability + control.probability)


def arm_problems(promotion: Mapping[str, Any], columns: Mapping[str, str]) -> Iterator[Any]:
    """Yield the key and the problem where the keys of several arms contradict each other.

    Parameters
    ----------
    promotion
        ``promotion`` of a log's entry.
    columns
        ``columns`` of the entry.
    """
    if "arms" not in promotion:
        if CONTROL in promotion:
            yield "promotion.control", "it belongs to promotion.arms, which is not given"
        return
    arms = arms_of(promotion)
    yield from _shape_problems(promotion, columns)
    yield from _name_problems([arm.name for arm in arms[1:]])
    yield from _value_problems(arms)
    yield from _probability_problems(arms)


def _shape_problems(
    promotion: Mapping[str, Any], columns: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    if "promoted" not in columns:
        yield "columns.promoted", "name the column of the arm, whose values promotion.arms lists"
    if "focal" not in columns:
        yield "columns.focal", "several variants are compared by the parts of the slate: name it"
    if CONTROL not in promotion:
        yield "promotion.control", "give the probability of control, as for each of promotion.arms"
    if len(promotion["arms"]) == 1:
        yield (
            "promotion.arms",
            "one variant and control are two arms: write its keys under promotion, and its values "
            "under meanings.promoted",
        )
    above = [key for key in (*TREATMENTS, "probability") if key in promotion]
    if above:
        yield f"promotion.{above[0]}", "each arm has its own: write it under promotion.arms.NAME"
    if "probability" in columns:
        yield (
            "columns.probability",
            "each arm has a probability of its own: name its column under "
            "promotion.arms.NAME.probability_column",
        )
    for name, entry in promotion["arms"].items():
        given = [key for key in OF_VARIANTS if key in entry]
        if len(given) != 1:
            what = " and ".join(given) or "nothing"
            yield (
                f"promotion.arms.{name}",
                f"say what the arm does, by one of {', '.join(OF_VARIANTS)}; {what} is given",
            )
    added = {arm.treatment.adds_focal_item for arm in arms_of(promotion) if arm.treatment}
    if len(added) > 1:
        yield (
            "promotion.arms",
            "some variants show an item that control does not show (insert, replace), others one "
            "that it shows: of one slate only one can be true. Make two logs of it",
        )


def _name_problems(names: list[str]) -> Iterator[tuple[str, str]]:
    seen: dict[str, str] = {CONTROL: CONTROL}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if name.casefold() == CONTROL:
            yield "promotion.arms", f"{name} is not a variant; its keys belong to promotion.control"
        elif other != name:
            yield "promotion.arms", f"{name} and {other} differ only in case; rename one"


def _value_problems(arms: tuple[Arm, ...]) -> Iterator[tuple[str, str]]:
    counts = Counter(value for arm in arms for value in arm.values)
    several = sorted(value for value, count in counts.items() if count > 1)
    if several:
        yield "promotion.arms", f"{listed(several)} cannot mean two arms"


def _probability_problems(arms: tuple[Arm, ...]) -> Iterator[tuple[str, str]]:
    """Check that every arm has a probability, all of one kind, and that they add up to 1."""
    neither = [arm.name for arm in arms if (arm.probability is None) == (arm.column is None)]
    if neither:
        yield (
            "promotion.arms",
            f"{listed(neither)}: give either probability or probability_column",
        )
        return
    constant = [arm.probability for arm in arms if arm.probability is not None]
    if len(constant) not in (0, len(arms)):
        yield (
            "promotion.arms",
            "give the probability of all arms as numbers, or of all by probability_column",
        )
    elif constant and abs(sum(constant) - 1) > SUM_TOLERANCE:
        shown = " + ".join(f"{value:g}" for value in constant)
        yield (
            "promotion.arms",
            f"the probabilities of control and all variants must add up to 1; {shown} = "
            f"{sum(constant):g}. An arm that is not analyzed needs an entry too",
        )
