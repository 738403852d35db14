"""Damaged logs: each is refused with a code of its kind, or gives the undamaged answer.

Fixed seed; 142 kinds, each twice, or as often as ``NETLIFT_DAMAGES`` says. A damage that leaves
another sound log (a whole slate lost, an arm changed in a whole slate) is no kind here: nothing in
the log can show it.
"""

import gzip
import os
import random
import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import pytest
from builders import compared
from log_files import COLUMNS, ENTRY, draw_log

from netlift.core.errors import NetliftError
from netlift.effects.ledger import component_effects
from netlift.logs.entries import LogEntry
from netlift.logs.reading import account_log
from netlift.workflow.schema import completed, read_schema

pytestmark = [pytest.mark.slow, pytest.mark.long]

SCHEMA = read_schema("logs")
SEED = 20260428
PER_KIND = int(os.environ.get("NETLIFT_DAMAGES", "2"))
SLATE, USER, ITEM = "Impression ID", "visitor", "sku"
CLUSTER, RANK, FOCAL, ARM = "dept, name", "rank", "candidate", "arm"
CLICK = "clicked"
PROMOTION = {"promotion": {"unit": "slate", "probability": 0.5}}

UNREADABLE = {"unreadable_file", "wrong_type", "missing_column", "empty_log"}
MISSING = {"missing_value", "wrong_type", "text_for_missing", "float_id"}
SHAPE = {"position_gap", "duplicate_position", "duplicate_item", "no_focal_item"}
SHAPE |= {"several_focal_items", "user_differs", "promotion_differs", "repeated_slate"}
POSITION = {"position_not_whole", "position_too_low", "wrong_type", "missing_value"} | SHAPE
OTHER_IDS = POSITION | {"empty_arm", "users_in_one_arm"}

Log = pd.DataFrame
Files = dict[str, bytes]


@dataclass(frozen=True)
class Kind:
    """A kind of damage: what it does to a log, and the codes that may refuse it.

    Another answer is allowed only with a warning of a code in ``warnings``.
    """

    damage: Callable[[Log, random.Random], Log | Files]
    codes: frozenset[str] = frozenset()
    warnings: frozenset[str] = frozenset()
    changes: tuple[tuple[str, object], ...] = ()


def kind(damage, codes=(), warnings=(), **changes) -> Kind:
    return Kind(damage, frozenset(codes), frozenset(warnings), tuple(changes.items()))


@pytest.fixture(scope="module")
def sound() -> Log:
    return draw_log(21, 160, n_users=40)[0]


# --- Kinds of damage -----------------------------------------------------------------------------


def one(column, value):
    """Put a value into one row."""

    def damage(log, rng):
        log[column] = log[column].astype(object)
        log.loc[rng.randrange(len(log)), column] = value
        return log

    return damage


def everywhere(column, change):
    return lambda log, rng: log.assign(**{column: change(log[column])})


def text(log, **more) -> bytes:
    return log.to_csv(index=False, **more).encode()


def files(log, rng, count=3, change=lambda part, number: part) -> Files:
    ends = sorted(rng.sample(range(1, len(log)), count - 1))
    parts = zip([0, *ends], [*ends, len(log)], strict=True)
    return {
        f"part-{number}.csv": text(change(log[begin:end], number))
        for number, (begin, end) in enumerate(parts)
    }


def mid_slate(log, rng):
    """Return a row that is neither the first nor the last of its slate."""
    inner = log.index[log[RANK].between(2, 5)]
    return rng.choice(list(inner))


def drop_row(log, rng):
    return log.drop(index=mid_slate(log, rng))


def double_row(log, rng):
    return pd.concat([log, log.loc[[rng.randrange(len(log))]]])


def double_slate(log, rng):
    return pd.concat([log, log[log[SLATE] == rng.choice(list(log[SLATE]))]])


def merge_slates(log, rng):
    first, second = rng.sample(sorted(set(log[SLATE])), 2)
    return log.assign(**{SLATE: log[SLATE].replace(second, first)})


def move_row(log, rng):
    """Give a row the id of another slate."""
    row = mid_slate(log, rng)
    log.loc[row, SLATE] = rng.choice(sorted(set(log[SLATE]) - {log.loc[row, SLATE]}))
    return log


def flip_arm(log, rng):
    row = rng.randrange(len(log))
    log.loc[row, ARM] = "none" if log.loc[row, ARM] == "boost" else "boost"
    return log


def flip_focal(log, rng):
    row = rng.randrange(len(log))
    log.loc[row, FOCAL] = not log.loc[row, FOCAL]
    return log


def other_user(log, rng):
    row = rng.randrange(len(log))
    log.loc[row, USER] = f"{log.loc[row, USER]} again"
    return log


def gap(log, rng):
    row = rng.choice(list(log.index[log[RANK] == 6]))
    log.loc[row, RANK] += rng.randint(1, 9)
    return log


def swapped(first, second):
    return lambda log, rng: log.rename(columns={first: second, second: first})


def hashes(log, column, low, high):
    """Replace ids by numbers drawn from a range, the same for the same id."""
    drawn = random.Random(SEED)
    ids = {value: drawn.randrange(low, high) for value in dict.fromkeys(log[column])}
    return log.assign(**{column: [str(ids[value]) for value in log[column]]})


def numbered(column, low, high):
    return lambda log, rng: hashes(log, column, low, high)


def as_floats(column, factor):
    def damage(log, rng):
        codes = pd.factorize(log[column])[0]
        return log.assign(**{column: [f"{code * factor:.1f}" for code in codes]})

    return damage


def cut(log, rng, *, packed=False) -> Files:
    """Cut a file in the middle of a row."""
    content = text(log)
    lines = content.splitlines(keepends=True)
    row = rng.randrange(len(lines) // 4, len(lines) - 1)
    whole = b"".join(lines[:row]) + lines[row][: rng.randrange(4, 12)]
    if not packed:
        return {"log.csv": whole}
    compressed = gzip.compress(content)
    return {"log.csv.gz": compressed[: rng.randrange(100, len(compressed) - 20)]}


def cut_at_flush(log, rng) -> Files:
    """A gzip written as a stream, cut where it was flushed, at the end of a row."""
    lines = text(log).splitlines(keepends=True)
    row = rng.randrange(len(lines) // 4, len(lines) - 1)
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(b"".join(lines[:row])) + packer.flush(zlib.Z_FULL_FLUSH)
    return {"log.csv.gz": packed}


def open_quote(log, rng, count=1) -> Files:
    """Open a quote in a row of one of the files, and do not close it."""
    parts = files(log, rng, count) if count > 1 else {"part-0.csv": text(log)}
    name = rng.choice(sorted(parts))
    lines = parts[name].splitlines(keepends=True)
    row = rng.randrange(1, len(lines))
    fields = lines[row].split(b",")
    fields[-1] = b'"' + fields[-1]
    lines[row] = b",".join(fields)
    return parts | {name: b"".join(lines)}


def ragged(log, rng, more=b",9"):
    lines = text(log).splitlines()
    row = rng.randrange(1, len(lines))
    lines[row] = lines[row] + more if more else lines[row].rsplit(b",", 1)[0]
    return {"log.csv": b"\n".join(lines) + b"\n"}


def encoded(encoding):
    return lambda log, rng: {
        "log.csv": text(log.assign(**{CLUSTER: log[CLUSTER] + " é"})).decode().encode(encoding)
    }


def decomposed(log, rng):
    """Write the clusters of some rows with combining accents."""
    names = log[CLUSTER] + " é"
    rows = [rng.random() < 0.5 for _ in names]
    return log.assign(
        **{CLUSTER: np.where(rows, names.map(partial(unicodedata.normalize, "NFD")), names)}
    )


def parquet(log, rng) -> Files:
    return {"log.parquet": log.to_parquet(index=False)}


def in_parquet(damage):
    return lambda log, rng: parquet(damage(log, rng), rng)


KINDS = {
    # The same log, written otherwise.
    "rows shuffled": kind(lambda log, rng: log.sample(frac=1, random_state=rng.randrange(99))),
    "columns reordered": kind(lambda log, rng: log[rng.sample(list(log), len(list(log)))]),
    "a column more": kind(lambda log, rng: log.assign(extra="x,y")),
    "CRLF": kind(lambda log, rng: {"log.csv": text(log, lineterminator="\r\n")}),
    "all quoted": kind(lambda log, rng: {"log.csv": text(log, quoting=1)}),
    "BOM": kind(lambda log, rng: {"log.csv": b"\xef\xbb\xbf" + text(log)}),
    "gzip": kind(lambda log, rng: {"log.csv.gz": gzip.compress(text(log))}),
    "gzip of two members": kind(
        lambda log, rng: {
            "log.csv.gz": gzip.compress(text(log)[:5000]) + gzip.compress(text(log)[5000:])
        }
    ),
    "ending in capitals": kind(
        lambda log, rng: {"LOG.CSV.GZ": gzip.compress(text(log))}, UNREADABLE
    ),
    "parquet": kind(parquet),
    "several files": kind(files),
    "files of other orders": kind(
        partial(files, change=lambda part, number: part[list(part)[:: -1 if number else 1]])
    ),
    "a file without rows": kind(
        lambda log, rng: files(log, rng) | {"part-9.csv": text(log[:0])}, UNREADABLE
    ),
    "a file of no bytes": kind(lambda log, rng: files(log, rng) | {"part-9.csv": b""}, UNREADABLE),
    "semicolons": kind(lambda log, rng: {"log.csv": text(log, sep=";")}, (), delimiter=";"),
    "semicolons unsaid": kind(lambda log, rng: {"log.csv": text(log, sep=";")}, UNREADABLE),
    "mixed line ends": kind(
        lambda log, rng: {"log.csv": text(log).replace(b"\n", b"\r\n", rng.randrange(9, 400))},
        UNREADABLE,
    ),
    "blank last lines": kind(
        lambda log, rng: {"log.csv": text(log) + b"\n\n"}, UNREADABLE | MISSING
    ),
    "trailing commas": kind(
        lambda log, rng: {"log.csv": text(log).replace(b"\n", b",\n")}, UNREADABLE
    ),
    "outcome as a decimal": kind(everywhere(CLICK, lambda click: click.map("{:.3f}".format))),
    "outcome as a flag": kind(everywhere(CLICK, lambda click: click.astype(bool))),
    "position as a decimal": kind(everywhere(RANK, lambda rank: rank.map("{:.1f}".format))),
    "arm padded": kind(everywhere(ARM, lambda arm: arm + " "), {"unknown_flag"}),
    # Ids of any width and sign.
    **{
        f"{column}: {name}": kind(numbered(column, low, high))
        for column in (SLATE, USER, ITEM, CLUSTER)
        for name, low, high in (
            ("wide ids", 2**53, 2**62),
            ("unsigned ids", 2**63, 2**64),
            ("negative ids", -(2**62), -(2**53)),
            ("ids of all signs", -(2**62), 2**64),
            ("ids of 38 digits", 10**37, 10**38),
        )
    },
    **{
        f"{column}: unsigned ids in Parquet": kind(
            in_parquet(
                lambda log, rng, column=column: log.assign(
                    **{column: hashes(log, column, 2**63, 2**64)[column].astype("uint64")}
                )
            )
        )
        for column in (SLATE, USER, ITEM, CLUSTER)
    },
    **{
        f"{column}: ids as floats": kind(as_floats(column, 1), MISSING)
        for column in (SLATE, USER, ITEM, CLUSTER)
    },
    # Values.
    **{
        f"{column}: {value!r} once": kind(
            one(column, value), {*MISSING, *SHAPE, "infinite_outcome", "unknown_flag"}
        )
        for column in (SLATE, USER, ITEM, RANK, FOCAL, ARM, CLICK)
        for value in ("", "NULL", "\\N", "nan", "None", "NA")
    },
    "clicks of -999": kind(one(CLICK, -999), {"negative_outcome"}),
    "clicks of -3.4e38": kind(one(CLICK, -3.4e38), {"negative_outcome"}),
    "clicks of 1e300": kind(one(CLICK, 1e300), {"infinite_outcome", "extreme_value"}),
    "clicks of inf": kind(one(CLICK, "inf"), {"infinite_outcome"}),
    "clicks as words": kind(one(CLICK, "many"), {"wrong_type"}),
    "clicks with a comma": kind(one(CLICK, "0,5"), {"wrong_type"}),
    "clicks with spaces": kind(one(CLICK, "1 000"), {"wrong_type"}),
    "position of -1": kind(one(RANK, -1), POSITION),
    "position of 0": kind(one(RANK, 0), POSITION),
    "position of 2.5": kind(one(RANK, 2.5), POSITION),
    "position of 10^12": kind(one(RANK, 10**12), POSITION),
    "position of inf": kind(one(RANK, "inf"), POSITION),
    "position as a word": kind(one(RANK, "top"), POSITION),
    "positions from 0": kind(everywhere(RANK, lambda rank: rank - 1), POSITION),
    "positions from 2": kind(everywhere(RANK, lambda rank: rank + 1), POSITION),
    "focal flag of 2": kind(one(FOCAL, "2"), {"unknown_flag"}),
    "a third arm": kind(one(ARM, "holdout"), {"unknown_flag", "promotion_differs"}),
    # Rows.
    "a row lost": kind(drop_row, SHAPE),
    "a row twice": kind(double_row, SHAPE),
    "a slate twice": kind(double_slate, SHAPE),
    "two slates of one id": kind(merge_slates, SHAPE),
    "a row of another slate": kind(move_row, SHAPE),
    "an arm flipped in a row": kind(flip_arm, {"promotion_differs"}),
    "a focal flag flipped": kind(flip_focal, SHAPE),
    "another user in a row": kind(other_user, {"user_differs"}),
    "a gap": kind(gap, SHAPE),
    "half of the rows twice": kind(lambda log, rng: pd.concat([log, log[::2]]), SHAPE),
    "a file twice": kind(
        lambda log, rng: {"part-0.csv": text(log), "part-1.csv": text(log)},
        SHAPE | {"duplicate_file"},
    ),
    # Columns.
    "a column lost": kind(
        lambda log, rng: log.drop(columns=rng.choice([*COLUMNS.values(), CLICK])),
        {"missing_column"},
    ),
    "a column renamed": kind(
        lambda log, rng: log.rename(columns={rng.choice([*COLUMNS.values(), CLICK]): "other"}),
        {"missing_column"},
    ),
    "no header": kind(
        lambda log, rng: {"log.csv": text(log, header=False)},
        {"missing_column", "duplicate_column"},
    ),
    "the header again": kind(
        lambda log, rng: {"log.csv": text(log) + text(log)},
        {*UNREADABLE, *SHAPE, *MISSING, "unknown_flag"},
    ),
    "position and clicks swapped": kind(swapped(RANK, CLICK), POSITION),
    # The control arm is called "none", which means a missing value in any other column.
    "arm and flag swapped": kind(swapped(ARM, FOCAL), {"unknown_flag", "missing_value"}),
    "slate and item swapped": kind(swapped(SLATE, ITEM), OTHER_IDS),
    "slate and user swapped": kind(swapped(SLATE, USER), OTHER_IDS),
    "a file without a column": kind(
        partial(
            files,
            change=lambda part, number: part.drop(columns=CLUSTER) if number == 1 else part,
        ),
        {"missing_column", "unreadable_file"},
    ),
    "a file with the column renamed": kind(
        partial(
            files,
            change=lambda part, number: part.rename(columns={CLICK: "x"}) if number == 1 else part,
        ),
        {"missing_column", "unreadable_file"},
    ),
    # Files.
    "cut in a row": kind(cut, UNREADABLE | MISSING | SHAPE),
    "a cut gzip": kind(partial(cut, packed=True), UNREADABLE),
    "a gzip cut where it was flushed": kind(cut_at_flush, UNREADABLE),
    "an open quote": kind(open_quote, UNREADABLE | SHAPE),
    "an open quote in one of three files": kind(partial(open_quote, count=3), UNREADABLE | SHAPE),
    "a field too many": kind(ragged, UNREADABLE),
    "a field too few": kind(partial(ragged, more=b""), UNREADABLE | MISSING),
    "UTF-16": kind(encoded("utf-16"), UNREADABLE),
    "Latin-1": kind(encoded("latin-1"), UNREADABLE),
    "a null byte": kind(
        lambda log, rng: {"log.csv": text(log).replace(b"sku-", b"sku\0-", 1)}, UNREADABLE
    ),
    "clusters decomposed": kind(decomposed, (), {"alike_names"}),
}


# --- What comes of it ----------------------------------------------------------------------------


def answer(payload: Log | Files, folder, **changes) -> pd.DataFrame:
    """Write a log and estimate the ledger of its main outcome."""
    (folder / "log").mkdir()
    written = {"log.csv": text(payload)} if isinstance(payload, pd.DataFrame) else payload
    for name, content in written.items():
        (folder / "log" / name).write_bytes(content)
    path = folder / "log" if len(written) > 1 else folder / "log" / next(iter(written))
    entry = completed({**ENTRY, **PROMOTION, "path": str(path), **changes}, SCHEMA)
    paths = {name: str(folder / f"{name}.csv") for name in ("contract", "row_counts")}
    paths["accounts"] = str(folder / "accounts.parquet")
    account_log(LogEntry.from_config(entry), paths)
    ledger = component_effects(compared(pd.read_parquet(paths["accounts"])))
    return ledger.select_dtypes("number")


@pytest.fixture(scope="module")
def undamaged(sound, tmp_path_factory):
    return answer(sound.copy(), tmp_path_factory.mktemp("sound"))


def verdict(one: Kind, number: int, name: str, sound: Log, undamaged, folder) -> str | None:
    """Return what is wrong with what comes of a damaged log; None if nothing is."""
    payload = one.damage(sound.copy(), random.Random(f"{SEED} {name} {number}"))
    try:
        ledger = answer(payload, folder, **dict(one.changes))
    except NetliftError as error:
        refused = folder / "contract_refused.csv"
        codes = set(pd.read_csv(refused)["code"]) if refused.exists() else {str(error)}
        return None if codes and codes <= one.codes else f"refused with {sorted(codes)}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    same = ledger.shape == undamaged.shape and np.allclose(
        ledger, undamaged, rtol=1e-9, atol=1e-12, equal_nan=True
    )
    told = set(pd.read_csv(folder / "contract.csv")["code"])
    return None if same or told & one.warnings else "another answer, without a word"


@pytest.mark.parametrize("name", KINDS)
def test_every_damage_is_refused_or_changes_nothing(name, sound, undamaged, tmp_path):
    wrong = []
    for number in range(PER_KIND):
        folder = tmp_path / str(number)
        folder.mkdir()
        if why := verdict(KINDS[name], number, name, sound, undamaged, folder):
            wrong.append(f"{name}, {number}: {why}")
    assert not wrong, "\n".join(wrong)
