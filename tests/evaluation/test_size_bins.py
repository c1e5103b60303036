"""Sizes, their bins and classes, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.errors import InputError
from mmgtrack.evaluation.size_bins import (
    COCO_CLASSES,
    RELATIVE_CLASSES,
    STUDY_BINS,
    SizeBins,
    box_sizes,
    chance_level,
    relative_sizes,
)
from mmgtrack.evaluation.size_histogram import covering_bins


def test_sizes_of_boxes() -> None:
    boxes = np.array([[[10, 20, 14, 29], [0, 0, 0, 5]], [[np.nan] * 4, [5, 5, 3, 9]]], np.float32)
    np.testing.assert_array_equal(box_sizes(boxes), [[6, 0], [np.nan, 0]])
    relative = relative_sizes(boxes[:, 0], np.array([[30, 120], [30, 120]]))
    np.testing.assert_allclose(relative, [0.1, np.nan])
    np.testing.assert_allclose(chance_level(np.array([0.1, np.nan, 2.0])), [0.01, np.nan, 1.0])


def test_chance_is_what_random_points_hit() -> None:
    box, points = np.array([12.0, 3.0, 40.0, 30.0]), np.random.default_rng(0).random((100_000, 2)) * [80, 60]
    hit = ((points >= box[:2]) & (points < box[2:])).all(1).mean()
    assert hit == pytest.approx(chance_level(relative_sizes(box, (60, 80))), abs=0.005)


@pytest.mark.parametrize(
    ('bins', 'size', 'label'),
    [
        (STUDY_BINS, 3.99, '< 4'),
        (STUDY_BINS, 4.0, '4-8'),
        (STUDY_BINS, 255.9, '128-256'),
        (STUDY_BINS, 256.0, '>= 256'),
        (COCO_CLASSES, 31.9, 'small'),
        (COCO_CLASSES, 32.0, 'medium'),
        (COCO_CLASSES, 96.0, 'large'),
        (RELATIVE_CLASSES, 0.0199, 'tiny'),
        (RELATIVE_CLASSES, 0.05, 'medium'),
        (RELATIVE_CLASSES, 1.0, 'large'),
    ],
)
def test_an_edge_belongs_to_the_bin_above(bins: SizeBins, size: float, label: str) -> None:
    assert bins.labels[int(bins.index(np.array(size)))] == label


def test_counts_leave_nan_out() -> None:
    sizes = np.array([1.0, 5.0, np.nan, 6.0, 1e6])
    assert STUDY_BINS.counts(sizes).tolist() == [1, 2, 0, 0, 0, 0, 0, 1]
    assert STUDY_BINS.shares(sizes)[1] == 0.5
    assert np.isnan(STUDY_BINS.shares(np.array([np.nan]))).all()


@given(st.lists(st.floats(1e-4, 1e5), min_size=1), st.integers(1, 3))
def test_covering_bins_cover(values: list[float], parts: int) -> None:
    bins = covering_bins([np.array(values)], parts)
    counts = bins.counts(np.array(values))
    assert counts[0] == counts[-1] == 0 and counts.sum() == len(values)
    np.testing.assert_allclose(np.array(bins.edges[parts:]) / bins.edges[:-parts], 2)


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: SizeBins(()), 'above 0 and rising'),
        (lambda: SizeBins((0.0, 1.0)), 'above 0 and rising'),
        (lambda: SizeBins((2.0, 2.0)), 'above 0 and rising'),
        (lambda: SizeBins((2.0,), ('a',)), '2 size bins need as many names'),
        (lambda: SizeBins.octaves(8, 4), '0 < first < last'),
        (lambda: SizeBins.octaves(4, 8, 0), 'parts >= 1'),
    ],
)
def test_bins_that_cannot_be(make: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()  # type: ignore[operator]
