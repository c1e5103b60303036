"""Paired bootstrap: what is drawn, bounds that are known, and what is refused."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmgtrack.errors import InputError
from mmgtrack.evaluation.comparison import compare
from mmgtrack.evaluation.evaluate import Evaluation, evaluate
from mmgtrack.evaluation.selection import ALL
from tests.evaluation.small_lasot import write_annotations, write_results

LENGTHS = {f'cat-{k}': 4 + k for k in range(1, 13)}


def evaluations(folder: Path, first: dict[str, int], second: dict[str, int]) -> list[Evaluation]:
    root = write_annotations(folder / 'lasot', LENGTHS)
    sources = [
        write_results(folder / name, hits, LENGTHS) for name, hits in (('first', first), ('second', second))
    ]
    return evaluate('lasot', sources, root, sequences=ALL)


def test_a_tracker_against_itself(tmp_path: Path) -> None:
    hits = {name: length // 2 for name, length in LENGTHS.items()}
    found = compare(*evaluations(tmp_path, hits, hits))
    assert (found.difference, found.low, found.high, found.share_better) == (0, 0, 0, 0.5)
    assert not found.is_clear


def test_better_everywhere_by_the_same_share(tmp_path: Path) -> None:
    lengths = dict.fromkeys(LENGTHS, 10)
    root = write_annotations(tmp_path / 'lasot', lengths)
    sources = [write_results(tmp_path / str(hits), dict.fromkeys(lengths, hits), lengths) for hits in (5, 8)]
    found = compare(*evaluate('lasot', sources, root, sequences=ALL), num_draws=50)
    assert found.difference == pytest.approx(0.3 * 20 / 21)
    assert (found.low, found.high) == pytest.approx((found.difference, found.difference))
    assert found.share_better == 1 and found.is_clear and found.num_units == 12


def test_bounds_are_those_of_a_plain_bootstrap_of_the_mean(tmp_path: Path) -> None:
    first = {name: 2 for name in LENGTHS}
    second = {name: 2 + (index * 7) % 3 for index, name in enumerate(LENGTHS)}
    pair = evaluations(tmp_path, first, second)
    found = compare(*pair, num_draws=500, seed=3)
    a, b = (np.array([part.scores.values['success'] for part in each.parts]) for each in pair)
    rng = np.random.default_rng(3)
    draws = [(b - a)[rng.integers(12, size=12)].mean() for _ in range(500)]
    assert (found.low, found.high) == pytest.approx(np.quantile(draws, [0.025, 0.975]))
    assert compare(*pair, num_draws=500, seed=3) == found
    assert compare(*pair, num_draws=500, seed=4).low != found.low


def test_sequences_that_differ_most_come_first(tmp_path: Path) -> None:
    first = {name: 3 for name in LENGTHS}
    found = compare(*evaluations(tmp_path, first, {**first, 'cat-5': 0, 'cat-9': 5}), num_draws=10)
    assert [each.name for each in found.sequences[:2]] == ['cat-5', 'cat-9']
    assert found.sequences[0].difference < 0 < found.sequences[1].difference


@given(
    st.lists(st.integers(0, 5), min_size=12, max_size=12),
    st.lists(st.integers(0, 5), min_size=12, max_size=12),
)
@settings(max_examples=10, deadline=None)
def test_swapping_the_trackers_mirrors_everything(
    tmp_path_factory, first: list[int], second: list[int]
) -> None:
    hits = (dict(zip(LENGTHS, each, strict=True)) for each in (first, second))
    a, b = evaluations(tmp_path_factory.mktemp('pair'), *hits)
    there, back = compare(a, b, num_draws=20), compare(b, a, num_draws=20)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.difference == -back.difference
    assert there.share_better == pytest.approx(1 - back.share_better)


def test_what_does_not_compare(tmp_path: Path) -> None:
    hits = {name: 2 for name in LENGTHS}
    a, b = evaluations(tmp_path, hits, hits)
    with pytest.raises(InputError, match=r"lasot compares by success, precision, .* got 'hota'"):
        compare(a, b, score='hota')
    with pytest.raises(InputError, match='at least one draw, got 0'):
        compare(a, b, num_draws=0)
    with pytest.raises(InputError, match='on the same sequences only'):
        compare(a, dataclasses.replace(b, parts=b.parts[:-1]))
