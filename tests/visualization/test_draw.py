import numpy as np
import pytest
import torch

from mmgtrack.errors import InputError
from mmgtrack.structures import Tracks
from mmgtrack.visualization import PALETTE, draw_tracks

GREY = np.full((240, 320, 3), 100, np.uint8)


def one(box: list[float], present: bool = True) -> Tracks:
    return Tracks(torch.tensor([[box]]), torch.tensor([[0.5]]), torch.tensor([[present]]))


def ink(picture: np.ndarray) -> np.ndarray:
    return (picture != 100).any(-1)


def test_box_is_drawn_where_it_is_and_the_frame_is_left_alone() -> None:
    frame = GREY.copy()
    picture = draw_tracks(frame, one([100, 80, 200, 160]))
    assert (frame == 100).all()
    for x, y in ((100, 120), (200, 120), (150, 80), (150, 160)):
        assert picture[y, x].tolist() == list(PALETTE[0])
    assert not ink(picture)[85:156, 105:196].any()
    assert ink(picture)[60:79, 100:140].any()  # the label, above the box


def test_absent_is_dashed_and_dim_or_hidden() -> None:
    absent = one([100, 80, 200, 160], present=False)
    top = ink(draw_tracks(GREY, absent))[160, 100:200]
    assert 0.3 < top.mean() < 0.8
    colour = draw_tracks(GREY, absent)[160, 101].astype(int)
    assert (np.abs(colour - 100) < np.abs(np.array(PALETTE[0]) - 100)).all()
    assert not ink(draw_tracks(GREY, absent, show_absent=False)).any()


def test_line_width_follows_the_frame() -> None:
    box = one([100, 100, 200, 200])
    widths = [
        ink(draw_tracks(np.full((side, side, 3), 100, np.uint8), box))[150, 90:110].sum()
        for side in (240, 480, 960, 2160)
    ]
    assert widths[0] == widths[1] < widths[2] < widths[3]


def test_ids_choose_colours_and_repeat() -> None:
    assert len(set(PALETTE)) == len(PALETTE)
    picture = draw_tracks(GREY, one([100, 80, 200, 160]), ids=[len(PALETTE) + 2])
    assert picture[120, 200].tolist() == list(PALETTE[1])


@pytest.mark.parametrize(
    'box',
    [
        [-50, -50, 400, 300],
        [0, 0, 1e30, 1e30],
        [-1e30, -1e30, 5, 5],
        [300, 230, 330, 250],
        [500, 500, 600, 600],
        [float('nan')] * 4,
        [5, 5, float('inf'), 9],
        [10, 10, 10, 10],
    ],
)
@pytest.mark.parametrize('present', [True, False])
@pytest.mark.parametrize('size', [(240, 320), (1, 1), (2000, 10)])
def test_any_box_can_be_drawn(box: list[float], present: bool, size: tuple[int, int]) -> None:
    assert draw_tracks(np.zeros((*size, 3), np.uint8), one(box, present)).shape == (*size, 3)


def test_refuses_tracks_of_several_frames_and_too_few_ids() -> None:
    track = one([1, 1, 2, 2])
    with pytest.raises(InputError, match='got 2 frames'):
        draw_tracks(GREY, Tracks.cat([track, track]))
    with pytest.raises(InputError, match='1 targets and 2 ids'):
        draw_tracks(GREY, track, ids=[1, 2])
