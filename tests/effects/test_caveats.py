"""What limits a result: from the check of a log and from its design, into statements."""

import numpy as np
import pandas as pd
import pytest

from netlift.effects import caveats as module
from netlift.effects.caveats import few_units, in_short, log_caveats
from netlift.logs.codes import BY_NAME
from netlift.logs.codes import DELIVERY as DELIVERY_CODES
from netlift.logs.entries import LogEntry
from netlift.logs.problems import Problem, contract_table
from netlift.promotion.design import Design

LOG = LogEntry({}, (), set_aside=("no_focal_item",), accept=("sample_ratio", "focal_not_moved"))
PROBLEMS = [
    Problem("no_focal_item", None, 600, 100),
    Problem("focal_not_moved", None, 120, 20, ("slate 1, 6 rows",)),
    Problem("sample_ratio", examples=("0.6000 of 900 slates are promoted",)),
    Problem("few_units", examples=("promoted: 12 users tell as much as 3.1 equal ones",)),
    Problem("heavy_tail", examples=("not a limit of the design",)),
]
COUNTS = pd.DataFrame(
    [("in the log", 6000, 1000), ("used", 5400, 900), ("set aside: no_focal_item", 600, 100)],
    columns=["what", "rows", "slates"],
)


def found(problems=PROBLEMS):
    return {caveat.code: caveat for caveat in log_caveats(contract_table(problems, LOG), COUNTS)}


def test_what_was_accepted_or_set_aside_is_told_and_counted():
    caveats = found()
    assert {(code, caveat.kind, caveat.count) for code, caveat in caveats.items()} == {
        ("no_focal_item", "set_aside", 100),
        ("focal_not_moved", "accepted", 20),
        ("sample_ratio", "accepted", 900),
        ("few_units", "few_units", 900),
    }
    assert "100 of 1,000 slates (10.0%)" in caveats["no_focal_item"].message
    assert BY_NAME["no_focal_item"].what in caveats["no_focal_item"].message
    assert "in 20 of 1,000 slates" in caveats["focal_not_moved"].message
    assert "effects are those of the draw" in caveats["focal_not_moved"].message
    assert "0.6000 of 900 slates are promoted" in caveats["sample_ratio"].message
    assert "3.1 equal ones" in caveats["few_units"].message
    assert "not promised to cover" in caveats["few_units"].message


def test_in_short():
    assert in_short(list(found().values())) == (
        "With a limited design: focal_not_moved (20 slates), sample_ratio (900 slates) accepted; "
        "no_focal_item (100 slates) set aside; few effective units."
    )
    assert in_short([]) == ""
    assert found([PROBLEMS[-1]]) == {}


def test_the_codes_of_the_delivery_are_those_of_the_contract():
    assert module.DELIVERY == DELIVERY_CODES


@pytest.mark.parametrize("n_units", [40, 80])
def test_few_units_of_a_design(n_units):
    promoted = np.arange(2 * n_units) // 2 % 2 == 0
    unit, stratum = np.arange(2 * n_units) // 2, np.zeros(2 * n_units, dtype=np.int64)
    caveats = few_units(Design(promoted, unit, stratum, None, "user"))
    assert len(caveats) == (n_units == 40)
    if caveats:
        assert caveats[0].count == 80
        assert "promoted: 20 users tell as much as 20.0 equal ones" in caveats[0].message
