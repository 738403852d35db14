"""Labels are next to codes, and never replace them."""

import pandas as pd
import pytest

from netlift.core.labels import with_labels


def test_a_label_is_next_to_its_code_and_a_missing_code_has_none():
    table = with_labels(
        pd.DataFrame({"a": ["x", None], "n": [1, 2]}), a={"x": "The x"}, absent={"y": "The y"}
    )
    assert list(table) == ["a", "a_label", "n"]
    assert table["a_label"].iloc[0] == "The x"
    assert pd.isna(table["a_label"].iloc[1])


def test_labels_of_labeled_tables_are_written_again_in_their_place():
    once = with_labels(pd.DataFrame({"a": ["x"], "n": [1]}), a={"x": "The x"})
    assert list(with_labels(once, a={"x": "The x"})) == list(once)


def test_a_code_of_no_enumeration_is_refused():
    with pytest.raises(KeyError):
        with_labels(pd.DataFrame({"a": ["misspelled"]}), a={"x": "The x"})
