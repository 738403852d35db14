"""Seeds in blocks: every seed once, existing blocks reused, only new seeds run."""

import numpy as np
import pytest

from netlift.core.errors import NetliftError
from netlift.studies.seed_blocks import block_name, block_seeds, expanded_seeds, seed_blocks


def test_ranges_and_single_seeds_are_written_out():
    assert expanded_seeds([7, "1-3", "9-9"]) == [7, 1, 2, 3, 9]


@pytest.mark.parametrize(
    ("entries", "words"),
    [(["5-2"], "did you mean 2-5"), ([3, "1-4"], "1 seeds are named twice .the first: 3")],
)
def test_wrong_lists_are_refused(entries, words):
    with pytest.raises(NetliftError, match=words):
        expanded_seeds(entries)


def test_a_name_tells_its_seeds():
    assert block_name([3, 4, 5, 9]) == "3-5,9"
    assert block_seeds("3-5,9") == [3, 4, 5, 9]


def test_every_seed_is_in_one_block_whatever_the_seeds_and_the_size():
    rng = np.random.default_rng(1)
    for block_size in (1, 2, 7, 50):
        seeds = rng.choice(100_000, 300, replace=False).tolist()
        blocks = seed_blocks(seeds, block_size)
        found = [seed for block in blocks for seed in block_seeds(block)]
        assert sorted(found) == sorted(seeds)
        assert max(len(block_seeds(block)) for block in blocks) <= block_size
        assert all(len(block) <= 200 for block in blocks)


def test_added_seeds_run_alone():
    before = seed_blocks(range(1, 31), 20)
    after = seed_blocks(range(1, 61), 20, before)
    assert set(before) <= set(after)
    new = [seed for block in set(after) - set(before) for seed in block_seeds(block)]
    assert sorted(new) == list(range(31, 61))


def test_another_block_size_runs_nothing_again():
    before = seed_blocks(range(1, 31), 20)
    assert seed_blocks(range(1, 31), 5, before) == before


def test_blocks_with_seeds_that_are_not_asked_for_or_that_overlap_are_left():
    assert seed_blocks([1, 2, 3], 10, ["1-4"]) == ["1-3"]
    assert seed_blocks(range(1, 5), 10, ["1-3", "2-3", "4"]) == ["1-3", "4"]
