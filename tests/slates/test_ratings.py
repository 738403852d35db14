"""Ratings in pieces: the same as in one table, wherever they are cut."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from builders import random_ratings

from netlift.slates.ratings import coded, gathered, split_by_time, training_rows, whole_users

CUTS = [(), (1,), (3, 4, 5), (40, 40, 90), tuple(range(1, 100))]


def table_of(seed: int = 1) -> pd.DataFrame:
    """Draw ratings of 12 users, some with very few, many at equal times."""
    return random_ratings(seed, 12, 30, (1, 15))


def pieces_of(table: pd.DataFrame, cuts: tuple[int, ...]) -> list[pd.DataFrame]:
    edges = [0, *(min(cut, len(table)) for cut in cuts), len(table)]
    return [table.iloc[low:high] for low, high in pairwise(edges)]


def earliest(table: pd.DataFrame, share: float) -> list[bool]:
    """Mark the training ratings user by user, in plain Python."""
    marks = {}
    for _, own in table.groupby("user_id"):
        order = sorted(own.index, key=lambda row: (own["timestamp"][row], own["item_id"][row]))
        n_training = max(1, int(share * len(own) + 1e-9))
        marks |= {row: place < n_training for place, row in enumerate(order)}
    return [marks[row] for row in table.index]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_training_rows_are_the_earliest_of_each_user(seed, share):
    table = table_of(seed)
    assert table.duplicated(["user_id", "timestamp"]).any()
    assert training_rows(table, share).tolist() == earliest(table, share)


def test_times_may_be_far_apart_and_before_1970():
    table = table_of().assign(timestamp=lambda rows: (rows["timestamp"] - 3) * 10**10)
    assert training_rows(table, 0.5).tolist() == earliest(table, 0.5)


@pytest.mark.parametrize("cuts", CUTS, ids=len)
def test_a_user_is_never_in_two_pieces_and_nothing_is_lost(cuts):
    table = table_of()
    pieces = list(whole_users(pieces_of(table, cuts)))
    users = np.concatenate([np.unique(piece["user_id"]) for piece in pieces])
    assert users.tolist() == table["user_id"].unique().tolist()
    pd.testing.assert_frame_equal(pd.DataFrame(gathered(pieces)), table)


@pytest.mark.parametrize("cuts", CUTS, ids=len)
def test_the_split_is_that_of_the_whole_table(cuts):
    table = table_of()
    columns = ["item_id", "rating"]
    train = np.array(earliest(table, 0.6))
    halves = split_by_time(pieces_of(table, cuts), 0.6, columns)
    for half, rows in zip(halves, (train, ~train), strict=True):
        expected = table.loc[rows, columns].reset_index(drop=True)
        pd.testing.assert_frame_equal(pd.DataFrame(half), expected)


def test_codes_are_those_of_unique():
    ids = np.array([70, 5, 70, 2**31 - 1, 5, 6], dtype=np.int32)
    different, code = coded(ids)
    expected = np.unique(ids, return_inverse=True)
    np.testing.assert_array_equal(different, expected[0])
    np.testing.assert_array_equal(code, expected[1])
    assert (different.dtype, code.dtype) == (np.int32, np.int32)
