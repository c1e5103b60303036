"""Candidates and proposals of the public Tracker, and the guide to them."""

import numpy as np
import pytest
import torch

from mmgtrack import Candidates, Tracker
from mmgtrack.datasets.synthetic import SyntheticClip, synthetic_clip
from mmgtrack.errors import InputError
from mmgtrack.evaluation import hit_ranks, iou, recall_at
from tests.pages import DOCS, blocks_of
from tests.trackers import template_matching

GUIDE = DOCS / 'candidates.md'
STAGES = pytest.mark.parametrize(('stage', 'count'), [('proposals', 32), ('candidates', 16)])


@pytest.fixture(scope='module')
def tracker() -> Tracker:
    return Tracker()


@pytest.fixture(scope='module')
def clip() -> SyntheticClip:
    return synthetic_clip(num_frames=4, size=(96, 128), num_targets=2)


def found(tracker: Tracker, stage: str, clip: SyntheticClip) -> Candidates:
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    return getattr(tracker, stage)(list(clip.frames[1:]), state)


@STAGES
def test_what_a_row_is(tracker: Tracker, clip: SyntheticClip, stage: str, count: int) -> None:
    rows = found(tracker, stage, clip)
    assert rows.boxes.shape == (3, 2, count, 4) and rows.boxes.dtype == torch.float32
    assert (rows.scores.diff(dim=2) <= 0).all() and (rows.scores >= 0).all() and (rows.scores <= 1).all()
    assert rows.valid[..., 0].all()
    assert (rows.valid.int().diff(dim=2) <= 0).all()  # padding comes last
    boxes = rows.boxes[rows.valid]
    assert (boxes[:, 2:] > boxes[:, :2]).all() and (boxes >= 0).all()
    assert (boxes <= torch.tensor([128, 96, 128, 96]) + 1e-3).all()


@STAGES
def test_both_stages_see_the_target(tracker: Tracker, clip: SyntheticClip, stage: str, count: int) -> None:
    rows = found(tracker, stage, clip)
    ranks = hit_ranks(rows.boxes.numpy(), rows.valid.numpy(), clip.boxes[1:], clip.present[1:])
    assert recall_at(ranks, [count]) == 1


@STAGES
def test_targets_and_frames_do_not_depend_on_their_company(
    tracker: Tracker, clip: SyntheticClip, stage: str, count: int
) -> None:
    rows = found(tracker, stage, clip)
    alone = tracker.encode(clip.frames[0], clip.boxes[0, 1:])
    one = getattr(tracker, stage)([clip.frames[2]], alone)
    torch.testing.assert_close(one.scores[0, 0, 0], rows.scores[1, 1, 0], rtol=0, atol=1e-4)
    torch.testing.assert_close(one.boxes[0, 0, 0], rows.boxes[1, 1, 0], rtol=0, atol=0.01)


def test_proposals_are_what_the_second_stage_starts_from(tracker: Tracker, clip: SyntheticClip) -> None:
    """Its own scores and boxes, not those of the second stage, and the state stays as it was."""
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    frames = list(clip.frames[1:])
    before, after = tracker.proposals(frames, state), tracker.candidates(frames, state)
    assert not torch.equal(before.boxes[:, :, 0], after.boxes[:, :, 0])
    assert not torch.equal(before.scores[:, :, 0], after.scores[:, :, 0])
    assert state.age.tolist() == [0, 0]
    tracks, _ = tracker.track(frames, state)
    torch.testing.assert_close(after.top(1).boxes[:, :, 0], tracks.boxes)


def test_grey_frames_are_converted(tracker: Tracker, clip: SyntheticClip) -> None:
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    grey = clip.frames[1][..., 0]
    colour = np.repeat(grey[..., None], 3, axis=2)
    torch.testing.assert_close(
        tracker.proposals([grey], state).boxes, tracker.proposals([colour], state).boxes
    )


@pytest.mark.parametrize('kind', ['proposals', 'candidates'])
def test_trackers_without_them_are_named(
    tracker: Tracker, clip: SyntheticClip, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker, 'model', template_matching())
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    with pytest.raises(InputError, match=rf'template_matching \(TemplateMatching\) has no {kind}'):
        getattr(tracker, kind)([clip.frames[1]], state)


@pytest.mark.parametrize('kind', ['proposals', 'candidates'])
def test_nothing_to_look_at(tracker: Tracker, clip: SyntheticClip, kind: str) -> None:
    with pytest.raises(InputError, match='at least one frame'):
        getattr(tracker, kind)([], tracker.encode(clip.frames[0], clip.boxes[0]))


def test_top() -> None:
    valid = torch.tensor([[[True, True, False]]])
    rows = Candidates(torch.arange(12.0).view(1, 1, 3, 4), torch.tensor([[[0.9, 0.4, 0.0]]]), valid)
    assert rows.top(2).boxes.tolist() == [[[[0, 1, 2, 3], [4, 5, 6, 7]]]]
    assert rows.top(2).valid.tolist() == [[[True, True]]]
    assert rows.top(9).scores.shape == (1, 1, 3)
    with pytest.raises(InputError, match='at least 1, got 0'):
        rows.top(0)


def test_the_guide_runs() -> None:
    names: dict = {}
    exec('\n'.join(blocks_of(GUIDE, 'python')), names)
    overlap = iou(names['chosen'].numpy(), names['clip'].boxes[1:, 0])
    assert len(overlap) == len(names['frames']) and (overlap > 0.5).all()
    assert names['recall'][32] == 1
