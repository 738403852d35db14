"""Random numbers: what a slate draws depends on seed, stream and slate, and on nothing else."""

import hashlib
from itertools import combinations
from typing import get_args

import numpy as np
import pytest

from netlift.core.streams import BLOCK, Stream, blocks, generator, outcome_uniforms, slate_uniforms

STREAMS = get_args(Stream)


def philox(key: int, counter: int) -> list[int]:
    """Philox-4x64-10 in plain Python, from Salmon, Moraes, Dror and Shaw (2011), section 3.3."""
    mask = 2**64 - 1
    k0, k1 = key & mask, key >> 64
    x0, x1, x2, x3 = (counter >> (64 * word) & mask for word in range(4))
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * x0, 2**64)
        high1, low1 = divmod(0xCA5A826395121157 * x2, 2**64)
        x0, x1, x2, x3 = high1 ^ x1 ^ k0, low1, high0 ^ x3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & mask, (k1 + 0xBB67AE8584CAA73B) & mask
    return [x0, x1, x2, x3]


def philox_uniforms(seed: int, stream: str, block: int, n: int) -> list[float]:
    digest = hashlib.blake2b(f"{seed}/{stream}".encode(), digest_size=16).digest()
    key = int.from_bytes(digest, "little")
    words: list[int] = []
    while len(words) < n:
        # NumPy raises the counter before each draw of four words.
        words += philox(key, (block << 192) + 1 + len(words) // 4)
    return [(word >> 11) / 2**53 for word in words[:n]]


@pytest.mark.parametrize("block", [0, 1, 3_000_000])
def test_numbers_are_those_of_philox_keyed_by_seed_and_name_with_the_block_on_top(block):
    drawn = generator(20260428, "outcome", block).random(11)
    assert drawn.tolist() == philox_uniforms(20260428, "outcome", block, 11)


def test_numbers_are_pinned_so_that_a_published_study_can_be_made_again():
    assert slate_uniforms(20260428, "assignment", 2, 2).tolist() == [
        [0.24459903827221696, 0.01609673718200022],
        [0.8910059161524474, 0.6214325271109785],
    ]
    # The second block starts at slate 1,024.
    assert slate_uniforms(20260428, "focal", 1025, 1)[1024, 0] == 0.2990827484092218
    assert generator(7, "users").permutation(8).tolist() == [0, 3, 5, 4, 1, 6, 7, 2]
    assert generator(7, "ranking", 2).standard_normal(2).tolist() == [
        0.4205613401584779,
        -0.6887634928370077,
    ]


def test_the_generator_starts_afresh_each_time():
    first = generator(1, "focal")
    first.random(100)
    assert generator(1, "focal").random() == generator(1, "focal").random() != first.random()


def test_seeds_streams_and_blocks_all_draw_different_numbers():
    cases = [(seed, stream, block) for seed in (0, 1, 11) for stream in STREAMS for block in (0, 1)]
    drawn = {case: generator(*case).random(400) for case in cases}
    for one, other in combinations(cases, 2):
        correlation = np.corrcoef(drawn[one], drawn[other])[0, 1]
        # 1,431 pairs, |z| < 4.7 each: false alarm 0.4%.
        assert abs(correlation) < 4.7 / np.sqrt(400), (one, other)


def test_a_slate_draws_the_same_however_many_slates_follow():
    many = slate_uniforms(3, "outcome", 3 * BLOCK + 5, 4)
    for n_slates in (1, 10, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 77):
        assert np.array_equal(slate_uniforms(3, "outcome", n_slates, 4), many[:n_slates])


def test_a_block_can_be_drawn_without_the_blocks_before_it():
    many = slate_uniforms(3, "focal", 2 * BLOCK, 3)
    alone = generator(3, "focal", 1).random((BLOCK, 3))
    assert np.array_equal(many[BLOCK:], alone)


def test_outcomes_have_the_same_first_sheet_however_many_a_world_uses():
    one, three = (outcome_uniforms(5, 30, 4, sheets) for sheets in (1, 3))
    assert one.shape == (1, 30, 4)
    assert three.shape == (3, 30, 4)
    assert np.array_equal(one[0], three[0])
    assert np.array_equal(one[0], slate_uniforms(5, "outcome", 30, 4))
    assert len(np.unique(three)) == three.size


def test_no_two_slates_share_numbers():
    drawn = slate_uniforms(5, "outcome", 3 * BLOCK, 4)
    assert len(np.unique(drawn)) == drawn.size


@pytest.mark.parametrize("n_slates", [0, 1, 9, 10, 11, 25])
def test_blocks_cover_every_slate_once_and_in_order(n_slates):
    numbers, slices = zip(*blocks(n_slates, size=10), strict=True) if n_slates else ((), ())
    assert list(numbers) == list(range(len(numbers)))
    assert [slate for part in slices for slate in range(n_slates)[part]] == list(range(n_slates))
    assert all(part.stop - part.start <= 10 for part in slices)
