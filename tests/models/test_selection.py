"""Which detection is chosen, and what becomes of its box. The formulas' numbers: tests/oracles."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmgtrack.errors import InputError
from mmgtrack.models import WindowSelection
from mmgtrack.models.guided_detector.selection import change, context_size, cosine_window, shape_penalty

SIDE = 300.0
LAST = torch.tensor([[60.0, 60.0]], dtype=torch.float64)


def box(x: float, y: float, width: float = 60, height: float = 60) -> list[float]:
    """xyxy around a centre."""
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def of(*boxes: list[float]) -> Tensor:
    return torch.tensor([boxes], dtype=torch.float64)


def scores(*values: float) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


@pytest.mark.parametrize('ratio, expected', [(1, 1), (2, 2), (0.5, 2), (0.8, 1.25)])
def test_change(ratio: float, expected: float) -> None:
    assert change(torch.tensor(ratio)).item() == pytest.approx(expected)


def test_context_size_of_a_square_is_twice_its_side() -> None:
    assert context_size(torch.tensor([10.0, 10.0])).item() == 20


@pytest.mark.parametrize(
    ('size', 'product', 'expected'),
    [
        ((60, 60), False, math.exp(-1 / 0.55)),  # nothing changed: 1 + 1 - 1, as printed
        ((60, 60), True, 1),
        ((72, 72), False, math.exp(-1.2 / 0.55)),  # 20 % larger
        ((72, 72), True, math.exp(-0.2 / 0.55)),
        ((50, 50), True, math.exp(-0.2 / 0.55)),  # 20 % the other way
    ],
)
def test_penalty(size: tuple, product: bool, expected: float) -> None:
    found = shape_penalty(torch.tensor(size).double(), LAST[0], 0.55, product)
    assert found.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ('centre', 'expected'),
    [((150, 150), 1), ((75, 150), 0.5), ((75, 225), 0.25), ((0, 150), 0), ((-50, 150), 0), ((150, 400), 0)],
)
def test_cosine_window(centre: tuple, expected: float) -> None:
    found = cosine_window(torch.tensor(centre).double(), SIDE)
    assert found.item() == pytest.approx(expected, abs=1e-12)


def test_centre_of_the_best_and_a_smoothed_size() -> None:
    found = WindowSelection()(of(box(100, 90, 80, 40), box(10, 10)), scores(0.9, 0.2), LAST, SIDE)
    assert found.best.tolist() == [0] and found.scores.tolist() == [0.9]
    width, height = 60 + 0.275 * 20, 60 - 0.275 * 20  # section 3.4
    torch.testing.assert_close(found.boxes, of(box(100, 90, width, height))[0])


@pytest.mark.parametrize('influence, best', [(0.0, 0), (0.42, 1)])
def test_the_window_prefers_the_middle(influence: float, best: int) -> None:
    selection = WindowSelection(window_influence=influence)
    assert selection(of(box(20, 20), box(150, 150)), scores(0.9, 0.8), LAST, SIDE).best.tolist() == [best]


def test_the_form_of_the_penalty_weighs_against_the_window() -> None:
    """As a sum a perfect shape counts 0.16 at most: the window overrules a score that the product follows."""
    boxes, sure = of(box(70, 150), box(150, 150)), scores(0.9, 0.1)
    for product, best in ((False, 1), (True, 0)):
        selection = WindowSelection(window_influence=0.42, product=product)
        assert selection(boxes, sure, LAST, SIDE).best.tolist() == [best]


def test_a_confident_rate_is_score_times_penalty() -> None:
    boxes = of(box(150, 150, 72, 72))
    found = WindowSelection(product=True, confident_rate=True)(boxes, scores(0.5), LAST, SIDE).boxes
    rate = 0.275 * 0.5 * math.exp(-0.2 / 0.55)
    torch.testing.assert_close(found, of(box(150, 150, 60 + 12 * rate, 60 + 12 * rate))[0])


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ('bad', 'score'),
    [
        ([NAN, 0, 60, 60], 1.0),
        ([0, 0, INF, 60], 1.0),
        (box(150, 150), NAN),
        (box(150, 150), INF),
        (box(150, 150, 0, 60), 1.0),
        (box(150, 150, -60, 60), 1.0),
    ],
    ids=str,
)
def test_what_is_no_detection_is_never_chosen(bad: list, score: float) -> None:
    selection = WindowSelection()
    found = selection(of(bad, box(10, 10, 20, 90)), scores(score, 0.01), LAST, SIDE)
    assert found.best.tolist() == [1] and found.scores.tolist() == [0.01]
    assert found.boxes.isfinite().all()
    alone = selection(of(bad), scores(score), LAST, SIDE)
    assert alone.best.tolist() == [0] and alone.scores.tolist() == [0]
    assert alone.boxes.isnan().all()


def test_no_detection_at_all() -> None:
    found = WindowSelection()(torch.zeros(2, 0, 4), torch.zeros(2, 0), torch.full((2, 2), 60.0), SIDE)
    assert found.best.tolist() == [0, 0] and found.scores.tolist() == [0, 0]
    assert found.boxes.shape == (2, 4) and found.boxes.isnan().all()


def test_no_target_at_all() -> None:
    found = WindowSelection()(torch.zeros(0, 5, 4), torch.zeros(0, 5), torch.zeros(0, 2), SIDE)
    assert found.boxes.shape == (0, 4) and found.best.shape == found.scores.shape == (0,)


@pytest.mark.parametrize('size', [1e-30, 1e-3, 1e20])
def test_sizes_stay_such_that_a_window_can_be_cut(size: float) -> None:
    boxes = of(box(0, 0, size, size))
    state = LAST
    for _ in range(50):
        found = WindowSelection()(boxes, scores(1.0), state, SIDE).boxes
        state = found[:, 2:] - found[:, :2]
        assert (state >= 4 - 1e-9).all() and (state <= SIDE).all()


def test_a_target_longer_than_its_window_stays_so() -> None:
    last = torch.tensor([[600.0, 6.0]], dtype=torch.float64)
    found = WindowSelection()(of(box(150, 150, 600, 6)), scores(1.0), last, SIDE).boxes
    torch.testing.assert_close(found, of(box(150, 150, 600, 6))[0])


sides = st.floats(5, 250)
places = st.floats(-20, 320)
candidates = st.lists(st.tuples(places, places, sides, sides, st.floats(0, 1)), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(found=candidates, last=st.tuples(sides, sides), scale=st.floats(0.25, 4), product=st.booleans())
def test_a_larger_crop_of_the_same_picture(found: list, last: tuple, scale: float, product: bool) -> None:
    """Eq. 5 knows ratios only, and the window parts of the crop."""
    selection = WindowSelection(product=product, smallest=1e-3)
    boxes, given_scores = of(*(box(*c[:4]) for c in found)), scores(*(c[4] for c in found))
    sizes = torch.tensor([last], dtype=torch.float64)
    ranks, _ = selection.rank(boxes, given_scores, sizes, SIDE)
    scaled, _ = selection.rank(boxes * scale, given_scores, sizes * scale, SIDE * scale)
    torch.testing.assert_close(scaled, ranks)
    one = selection(boxes, given_scores, sizes, SIDE)
    assert ranks[0, one.best[0]] == ranks.max()
    assert one.scores[0] == given_scores[0, one.best[0]]


@settings(max_examples=60, deadline=None)
@given(found=candidates, last=st.tuples(sides, sides), shift=st.tuples(places, places))
def test_without_the_window_places_do_not_matter(found: list, last: tuple, shift: tuple) -> None:
    selection = WindowSelection(window_influence=0)
    boxes, given_scores = of(*(box(*c[:4]) for c in found)), scores(*(c[4] for c in found))
    sizes = torch.tensor([last], dtype=torch.float64)
    moved = boxes + torch.tensor([*shift, *shift]).double()
    torch.testing.assert_close(
        selection.rank(moved, given_scores, sizes, SIDE)[0],
        selection.rank(boxes, given_scores, sizes, SIDE)[0],
    )


@settings(max_examples=40, deadline=None)
@given(targets=st.lists(candidates.filter(lambda c: len(c) >= 2), min_size=2, max_size=4))
def test_targets_together_are_each_alone(targets: list) -> None:
    count = min(len(target) for target in targets)
    boxes = torch.cat([of(*(box(*c[:4]) for c in target[:count])) for target in targets])
    given_scores = torch.cat([scores(*(c[4] for c in target[:count])) for target in targets])
    sizes = LAST.expand(len(targets), 2)
    selection = WindowSelection()
    together = selection(boxes, given_scores, sizes, SIDE)
    for m in range(len(targets)):
        row = slice(m, m + 1)
        alone = selection(boxes[row], given_scores[row], sizes[row], SIDE)
        for one, two in zip(together, alone, strict=True):
            assert torch.equal(one[row], two)


@pytest.mark.parametrize(
    'options', [{'sigma': 0}, {'window_influence': 1.1}, {'size_rate': -0.1}, {'smallest': 0}], ids=str
)
def test_refuses_options_without_a_meaning(options: dict) -> None:
    with pytest.raises(InputError, match='a selection needs'):
        WindowSelection(**options)
