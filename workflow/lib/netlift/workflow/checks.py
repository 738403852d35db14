"""Checks that no schema can express: keys of the configuration that must agree."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from netlift.core.errors import NetliftError
from netlift.logs.entries import LogEntry, log_problems
from netlift.logs.variants import arm_problems
from netlift.promotion.record import Promotion
from netlift.promotion.treatment import TREATMENTS
from netlift.promotion.variants import two_arm_entries, variant_problems
from netlift.studies.seed_blocks import expanded_seeds
from netlift.workflow.plain import shown
from netlift.workflow.schema import Json, changed_world, schema_problems
from netlift.worlds import registry as worlds

MOST_POINTS = 10_000
"""Points of a sensitivity grid, all of them computed in one job."""


_SHOWN = 40
"""Problems that are written out; the rest are counted."""


def refuse(problems: Sequence[str]) -> None:
    """Raise all problems at once, one line each.

    Raises
    ------
    NetliftError
        There is at least one problem.
    """
    problems = list(dict.fromkeys(problems))
    if problems:
        count = f"{len(problems):,} problem" + ("s" if len(problems) > 1 else "")
        lines = [f"  - {problem}" for problem in problems[:_SHOWN]]
        if len(problems) > _SHOWN:
            lines.append(f"  - and {len(problems) - _SHOWN:,} more")
        raise NetliftError(
            f"the configuration has {count}:\n"
            + "\n".join(lines)
            + "\nEvery key is explained in config/README.md."
        )


_KEYS_OF_RECIPES = ("n_slates", "max_per_user", "builder", "clusters")

_KEYS_OF_BUILDERS = {
    "scorer": ("train_share", "damping", "factors", "pool", "ranker"),
    "history": ("window",),
}


def former_keys(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield keys as they were before recipes and promotions had names, with their new form."""
    if "promotion" in config:
        yield (
            "promotion: promotions have names now. Write promotions: {NAME: {probability: ...}}, "
            "and study.promotions: [NAME]; the default study's is to_first"
        )
    slates = config.get("slates")
    if not isinstance(slates, Mapping):
        return
    for key in _KEYS_OF_RECIPES:
        if key in slates and not isinstance(slates[key], Mapping):
            yield _former_key(key)
    for builder, keys in _KEYS_OF_BUILDERS.items():
        entry = slates.get(builder)
        for key in keys:
            if isinstance(entry, Mapping) and key in entry:
                yield _former_key(f"{builder}.{key}")


def _former_key(key: str) -> str:
    return (
        f"slates.{key}: recipes of slates have names now. Write slates.NAME.{key}, and "
        "study.slates: NAME; the default study's is scorer"
    )


class Spoiled:
    """The parts of a configuration that have problems: what rests on them cannot be checked.

    Parameters
    ----------
    problems
        Texts that begin with the key that they are about.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.keys = {problem.split(":")[0] for problem in problems}

    def any_of(self, *keys: str) -> bool:
        """Return whether one of some keys, a key in it, or the whole has a problem."""
        below = tuple(f"{key}." for key in keys)
        whole = {*keys, "the configuration"}
        return any(key in whole or key.startswith(below) for key in self.keys)

    def exactly(self, key: str) -> bool:
        """Return whether a key itself has a problem."""
        return key in self.keys


def cross_problems(config: Json, spoiled: Spoiled) -> Iterator[str]:
    """Yield problems that no schema can express: keys that must agree with each other.

    Parameters
    ----------
    config
        The configuration with its defaults.
    spoiled
        Its parts that break the schema.
    """
    if not spoiled.any_of("dataset", "datasets") and config["dataset"] not in config["datasets"]:
        yield _unknown_name("dataset", config["dataset"], config["datasets"])
    if not spoiled.any_of("promotions"):
        yield from _promotions_problems(config["promotions"])
        several = [entry for entry in config["promotions"].values() if "arms" in entry]
        if any(problem for entry in several for problem in variant_problems(entry)):
            # What chooses from promotions cannot be checked.
            spoiled = Spoiled([*spoiled.keys, "promotions"])
    chosen_from = ("study", "slates", "promotions", "worlds")
    if not spoiled.any_of(*chosen_from):
        yield from _study_problems(config)
    if not spoiled.any_of("sweep"):
        seeds = list(_seed_problems(config["sweep"]["seeds"]))
        yield from seeds
        if seeds and not spoiled.any_of(*chosen_from):  # then it is swept: say all at once
            yield from _sweep_problems(config)
    if not spoiled.any_of() and not spoiled.exactly("logs"):
        for name, entry in config["logs"].items():
            if not spoiled.any_of(f"logs.{name}"):
                yield from _entry_problems(name, entry)


def _promotions_problems(promotions: Json) -> Iterator[str]:
    """Check the entries of promotions; of one with several arms, each arm as a promotion."""
    for name, entry in promotions.items():
        key = f"promotions.{name}"
        of_arms = list(variant_problems(entry)) if "arms" in entry else []
        yield from (f"{key}.{part}: {problem}" for part, problem in of_arms)
        for contrast, own in {} if of_arms else two_arm_entries({name: entry}).items():
            yield from _two_treatments(f"promotions.{contrast}", own)
            yield from _promotion_problems(key, Promotion.from_config(own))


def _study_problems(config: Json) -> Iterator[str]:
    """Check that what a study chooses exists and goes together."""
    unknown = list(_unknown_choices(config, "study"))
    yield from unknown
    if unknown:
        return
    yield from _world_problems(config, config["study"]["worlds"], "study.worlds")
    yield from _matched_worlds(config)
    for size in config["study"]["sizes"]:
        yield from _size_problems(config, size, "study")


def _matched_worlds(config: Json) -> Iterator[str]:
    """Check that no world is matched to the effects of a promotion with several variants.

    It would be another world for each of them.
    """
    study = config["study"]
    several = [name for name in study["promotions"] if "arms" in config["promotions"][name]]
    for world in study["worlds"]:
        if several and "match" in config["worlds"].get(world, {}):
            yield (
                f"worlds.{world}.match: it would give each variant of the promotion {several[0]} a "
                "world of its own, so that variants cannot be compared; take the world out of "
                "study.worlds, or write down the parameters that match finds (world.json)"
            )


def _entry_problems(name: str, entry: Json) -> Iterator[str]:
    """Check that the keys of a log's entry agree."""
    yield from _two_treatments(f"logs.{name}.promotion", entry.get("promotion", {}))
    of_arms = arm_problems(entry.get("promotion", {}), entry["columns"])
    for key, problem in (*of_arms, *log_problems(LogEntry.from_config(entry))):
        yield f"logs.{name}.{key}: {problem}"


def _seed_problems(seeds: Sequence[int | str]) -> Iterator[str]:
    try:
        expanded_seeds(seeds)
    except NetliftError as error:
        yield f"sweep.seeds: {error}"


def _two_treatments(key: str, entry: Json) -> Iterator[str]:
    named = [treatment for treatment in TREATMENTS if treatment in entry]
    if len(named) > 1:
        yield f"{key}: a promotion does one thing; remove all but one of {', '.join(named)}"
    if entry.get("focal_items", 1) > 1 and {"insert", "replace"} & set(named):
        yield f"{key}.focal_items: {named[0]} has one focal item; remove the key"


def _promotion_problems(key: str, promotion: Promotion) -> Iterator[str]:
    """Check that the keys of a promotion agree."""
    first, last = promotion.focal_position_first, promotion.focal_position_last
    if last is not None and last < first:
        yield (
            f"{key}.focal_position_last: {last} is above {key}.focal_position_first "
            f"({first}) in the slate; give a position from {first} on, or null for the last"
        )
    several = promotion.treatment.focal_items
    if last is not None and first <= last < first + several - 1:
        yield (
            f"{key}.focal_items: {several} items cannot be drawn from positions {first} to "
            f"{last}; widen focal_position_first to _last"
        )
    if promotion.unit == "user" and promotion.assignment == "stratified":
        yield (
            f"{key}.unit: user cannot be combined with {key}.assignment: stratified, since "
            "a user's slates have different focal positions; take bernoulli or complete"
        )


def _unknown_choices(config: Json, group: str) -> Iterator[str]:
    """Check that the recipe of the study, and the promotions of a group, exist."""
    if config["study"]["slates"] not in config["slates"]:
        yield _unknown_name("study.slates", config["study"]["slates"], config["slates"])
    for name in config[group]["promotions"]:
        if name not in config["promotions"]:
            yield _unknown_name(f"{group}.promotions", name, config["promotions"])


def _recipe_problems(name: str, recipe: Json, size: int) -> Iterator[str]:
    """Check that slates of a size can be built."""
    if recipe["builder"] == "scorer" and recipe["scorer"]["pool"] < size:
        yield (
            f"slates.{name}.scorer.pool: a pool of {recipe['scorer']['pool']} candidates cannot "
            f"fill slates of {size}; give at least {size}"
        )
    if recipe["builder"] == "history" and recipe["history"]["window"] < size:
        yield (
            f"slates.{name}.history.window: a window of {recipe['history']['window']} ratings "
            f"cannot fill slates of {size}; give at least {size}"
        )


def _size_problems(config: Json, size: int, group: str, key: str = "sizes") -> Iterator[str]:
    """Check that slates of a size can be built, and that every promotion and world can use them."""
    recipe = config["study"]["slates"]
    chosen = config[group if group == "sweep" else "study"]["promotions"]
    entries = two_arm_entries({name: config["promotions"][name] for name in chosen})
    promotions = {name: Promotion.from_config(entry) for name, entry in entries.items()}
    rows = max(promotion.rows(size) for promotion in promotions.values())
    yield from _recipe_problems(recipe, config["slates"][recipe], rows)
    grows = any(promotion.treatment.grows for promotion in promotions.values())
    for name, entry in config["worlds"].items():
        try:
            worlds.model_class(entry["model"]).check(entry, size + grows)
        except NetliftError as error:
            yield f"worlds.{name}: {error}"
    for name, promotion in promotions.items():
        treatment, deepest = promotion.treatment, promotion.deepest
        last = (treatment.to or 0) + treatment.focal_items - 1 - treatment.grows
        if size < last:
            place = "move.to" if treatment.kind == "move" else f"{treatment.kind}.at"
            yield (
                f"{group}.{key}: a slate of {size} has no position {last + treatment.grows}, where "
                f"focal items go; take larger slates or lower promotions.{name}.{place}"
            )
        if size < deepest:
            yield (
                f"{group}.{key}: a slate of {size} has no position {deepest}, from which focal "
                f"items are drawn; take larger slates or lower promotions.{name}."
                "focal_position_first and _last"
            )


def _world_problems(config: Json, names: Sequence[str], key: str) -> Iterator[str]:
    """Check that worlds exist, and that those that need the scorer's factors have a scorer."""
    for name in names:
        if name not in config["worlds"]:
            yield _unknown_name(key, name, config["worlds"])
            continue
        source = config["worlds"][name].get("source", "genres")
        builder = config["slates"][config["study"]["slates"]]["builder"]
        if builder == "history" and source != "genres":
            yield (
                f"worlds.{name}.source: {source!r} needs the scorer's item factors, which "
                "slates of the builder history do not have; take genres"
            )


def check_sweep(config: Mapping[str, Any]) -> Json:
    """Return the sweep of a checked configuration, with its seeds written out.

    It is checked separately, because a study that is never swept does not need a valid sweep.

    Raises
    ------
    NetliftError
        All problems at once, one line each.
    """
    sweep = dict(config["sweep"])
    refuse(list(_sweep_problems(dict(config))))
    sweep["seeds"] = expanded_seeds(sweep["seeds"])
    return sweep


def _sweep_problems(config: Json) -> Iterator[str]:
    """Check that what a sweep chooses exists and goes together."""
    sweep = config["sweep"]
    unknown = list(_unknown_choices(config, "sweep"))
    yield from unknown
    if unknown:
        return
    for name in sweep["promotions"]:
        if "arms" in config["promotions"][name]:
            yield (
                f"sweep.promotions: {name} has several arms, and a sweep compares two; list "
                "promotions that do what each of its variants does"
            )
    yield from _world_problems(config, sweep["worlds"], "sweep.worlds")
    for size in sweep["sizes"]:
        yield from _size_problems(config, size, "sweep")


def with_two_arms(config: Mapping[str, Any]) -> list[str]:
    """Return the promotions of a study that have two arms; the others are not validated.

    Raises
    ------
    NetliftError
        There are none.
    """
    promotions = config["study"]["promotions"]
    two = [name for name in promotions if "arms" not in config["promotions"][name]]
    if not two:
        refuse(
            [
                f"study.promotions: {', '.join(promotions)}: the validation redraws two arms, and "
                "these have several; add a promotion that does what one variant does"
            ]
        )
    return two


def check_validation(config: Mapping[str, Any]) -> None:
    """Check the cases of the validation of a checked configuration.

    Raises
    ------
    NetliftError
        All problems at once, one line each.
    """
    problems: list[str] = []
    for name, case in config["validation"]["cases"].items():
        key = f"validation.cases.{name}"
        case_worlds = case.get("worlds", config["study"]["worlds"])
        for promotion in with_two_arms(config):
            changed = config["promotions"][promotion] | case["promotion"]
            problems += _promotion_problems(f"{key}.promotion", Promotion.from_config(changed))
        missing = list(_world_problems(dict(config), case_worlds, f"{key}.worlds"))
        problems += missing
        size = case.get("size", config["study"]["sizes"][0])
        problems += _size_problems(dict(config), size, key, "size")
        recipe = config["study"]["slates"]
        available = config["slates"][recipe]["n_slates"]
        if "n_users" not in case and case.get("n_slates", 0) > available:
            problems.append(
                f"{key}.n_slates: {case['n_slates']:,} slates are more than "
                f"slates.{recipe}.n_slates ({available:,})"
            )
        for world in [] if missing else case_worlds:
            path = ("validation", "cases", name, "changes")
            problems += _change_problems(config["worlds"][world], case["changes"], size, path)
    refuse(problems)


def grid_problems(config: Json, name: str) -> Iterator[str]:
    """Check a grid: its world, and every value of every parameter."""
    if name not in config["grids"]:
        yield _unknown_name("study.grids", name, config["grids"])
        return
    grid = config["grids"][name]
    path = ("grids", name)
    if grid["world"] not in config["worlds"]:
        yield _unknown_name(f"grids.{name}.world", grid["world"], config["worlds"])
        return
    size = grid.get("size", config["study"]["sizes"][0])
    if "size" in grid:
        yield from _size_problems(config, size, f"grids.{name}", "size")
    world, changes = config["worlds"][grid["world"]], grid["changes"]
    problems = list(_change_problems(world, changes, size, (*path, "changes")))
    yield from problems
    points = math.prod(len(values) for values in grid["parameters"].values())
    if points > MOST_POINTS:
        yield f"grids.{name}.parameters: {points:,} points; a grid has at most {MOST_POINTS:,}"
    elif not problems:
        yield from _point_problems(changed_world(world, changes), grid["parameters"], size, path)


def _point_problems(
    entry: Json, parameters: Mapping[str, Any], size: int, path: tuple[str, ...]
) -> Iterator[str]:
    """Check every value of every parameter; of each parameter, the first problem is enough."""
    for parameter, values in parameters.items():
        for value in values:
            try:
                point = worlds.set_parameter(entry, parameter, value)
            except NetliftError as error:
                yield f"{'.'.join(path)}: {error}"
                break
            problems = list(_world_entry_problems(point, size, (*path, "parameters")))
            yield from problems
            if problems:
                break


def _change_problems(entry: Json, changes: Json, size: int, path: tuple[str, ...]) -> Iterator[str]:
    """Check the changed parameters of a world."""
    if "model" in changes:
        yield f"{'.'.join(path)}.model: the model of a world cannot be changed; add a world"
        return
    yield from _world_entry_problems(changed_world(entry, changes), size, path)


def _world_entry_problems(entry: Json, size: int, path: tuple[str, ...]) -> Iterator[str]:
    problems = list(schema_problems(entry, worlds.schema(entry["model"]), path))
    yield from problems
    if not problems:
        try:
            worlds.model_class(entry["model"]).check(entry, size)
        except NetliftError as error:
            yield f"{'.'.join(path[:-1])}: {error}"


def _unknown_name(key: str, name: object, known: Mapping[str, Any]) -> str:
    text = shown(name)
    near = difflib.get_close_matches(text, list(known), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{key}: there is no {text!r}{hint} (known: {', '.join(known)})"
