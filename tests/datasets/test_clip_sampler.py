"""Which frames and targets ClipSampler draws."""

from typing import Any

import numpy as np
import pytest

from mmgtrack.datasets import ClipSampler, Sequence
from mmgtrack.datasets.clip_sampler import FOREIGN_ID, ClipDraw
from mmgtrack.errors import InputError


def clip(present: Any, labelled: Any = None, name: str = 'a') -> Sequence:
    """A clip whose box of target m in frame f starts at (f, m); present is (F, M) of 0/1."""
    present = np.array(present, dtype=bool)
    labelled = np.ones_like(present) if labelled is None else np.array(labelled, dtype=bool)
    frames, targets = present.shape
    boxes = np.full((frames, targets, 4), np.nan, dtype=np.float32)
    for frame, target in zip(*np.nonzero(present), strict=True):
        boxes[frame, target] = [frame, target, frame + 9, target + 9]
    return Sequence(name, tuple(f'{name}/{f}' for f in range(frames)), boxes, present, labelled)


def draws(
    sequences: list[Sequence],
    roles: int = 2,
    count: int = 200,
    sampler: type[ClipSampler] = ClipSampler,
    **options: Any,
) -> list[ClipDraw]:
    drawing, found = sampler(**options), []
    for number in range(count):
        rng = np.random.default_rng(number)
        draw = drawing.draw(lambda: sequences[rng.integers(len(sequences))], roles, rng)  # noqa: B023
        if isinstance(draw, ClipDraw):
            found.append(draw)
    return found


def frames(draw: ClipDraw) -> list[int]:
    return [int(frame.path.split('/')[1]) for frame in draw.frames]


def test_gap_presence_and_distinct_frames() -> None:
    present = np.ones((30, 1))
    present[10:14] = 0
    pairs = [frames(draw) for draw in draws([clip(present)], max_gap=6)]
    assert len(pairs) == 200
    gaps = {abs(query - search) for query, search in pairs}
    assert gaps == {1, 2, 3, 4, 5, 6}
    assert not {10, 11, 12, 13} & {frame for pair in pairs for frame in pair}


@pytest.mark.parametrize('order, backward', [('random', True), ('forward', False)])
def test_order(order: str, backward: bool) -> None:
    triples = [frames(draw) for draw in draws([clip(np.ones((9, 1)))], roles=3, order=order)]
    assert all(len(set(triple)) == 3 for triple in triples)
    assert any(triple != sorted(triple) for triple in triples) is backward


def test_still_image_serves_every_role() -> None:
    for draw in draws([clip(np.ones((1, 3)))], roles=3, count=5):
        assert frames(draw) == [0, 0, 0]
        assert [frame.ids.tolist() for frame in draw.frames] == [[0, 1, 2]] * 3


def test_targets_are_those_of_the_query_that_are_labelled_everywhere() -> None:
    # target 0 always there; 1 truly absent in frame 1; 2 has no label in frame 1; 3 joins in frame 1
    sequence = clip([[1, 1, 1, 0], [1, 0, 0, 1]], [[1, 1, 1, 1], [1, 1, 0, 1]])
    found = {tuple(frames(draw)): [frame.ids.tolist() for frame in draw.frames] for draw in draws([sequence])}
    # starting from a target seen in one frame only, that frame serves both roles
    assert found[0, 1] == [[0, 1], [0]]
    assert found[1, 0] == [[0, 3], [0]]
    assert found[0, 0] == [[0, 1, 2], [0, 1, 2]]


def test_boxes_belong_to_their_frame_and_target() -> None:
    for draw in draws([clip(np.ones((5, 3)))], count=20):
        for frame, number in zip(draw.frames, frames(draw), strict=True):
            assert frame.boxes.dtype == np.float32
            assert frame.boxes[:, 0].tolist() == [number] * 3
            assert frame.boxes[:, 1].tolist() == frame.ids.tolist()


def test_visibility_query_also_draws_true_absence_but_not_unknown_frames() -> None:
    sequence = clip([[1], [0], [0], [1]], [[1], [1], [0], [1]])
    found = {tuple(frames(draw)) for draw in draws([sequence], visibility='query')}
    assert found == {(0, 1), (0, 3), (3, 0), (3, 1)}
    forward = draws([sequence], visibility='query', order='forward')
    assert {tuple(frames(draw)) for draw in forward} == {(0, 1), (0, 3)}


def test_at_most_max_instances_and_all_get_a_turn() -> None:
    found = draws([clip(np.ones((2, 12)))], max_instances=4)
    assert {len(draw.frames[0].ids) for draw in found} == {4}
    assert {target for draw in found for target in draw.frames[0].ids.tolist()} == set(range(12))
    assert all((draw.frames[0].ids == draw.frames[1].ids).all() for draw in found)


def test_negatives_show_another_clip_with_foreign_ids() -> None:
    sequences = [clip(np.ones((4, 2)), name=name) for name in 'abc']
    found = draws(sequences, count=600, negative_prob=0.25)
    negatives = [draw for draw in found if draw.negative]
    assert len(found) == 600 and len(negatives) / 600 == pytest.approx(0.25, abs=0.04)
    for draw in negatives:
        query, search = draw.frames
        assert query.path[0] != search.path[0]
        assert search.ids.tolist() == [FOREIGN_ID, FOREIGN_ID + 1]


def test_other_path_never_shows_the_clip() -> None:
    sequences = [clip(np.ones((4, 1)), name=name) for name in 'abc']
    for draw in draws(sequences, negative_prob=0.5):
        shown = {frame.path[0] for frame in draw.frames}
        assert all(f.other_path is None or f.other_path[0] not in shown for f in draw.frames)
    assert draws(sequences[:1])[0].frames[0].other_path is None


def test_clip_without_any_target_is_refused() -> None:
    assert draws([clip(np.zeros((3, 1)))]) == []


@pytest.mark.parametrize(
    'options', [{'order': 'back'}, {'visibility': 'x'}, {'negative_prob': 2}, {'max_gap': 0}]
)
def test_wrong_options(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        ClipSampler(**options)
