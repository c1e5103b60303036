"""The contact sheet shows every role with its boxes, and where it comes from."""

from typing import Any

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmgtrack.structures import ClipSample
from mmgtrack.visualization.contact_sheet import (
    BACKGROUND,
    GAP,
    LINE,
    NEGATIVE,
    PADDING,
    contact_sheet,
    draw_role,
    role_title,
)
from mmgtrack.visualization.draw import PALETTE

HEIGHT, WIDTH = 60, 90


def sample(search_boxes: list[list[float]], **facts: Any) -> dict[str, Any]:
    """A black query with a box, and a black search image with the given ones."""
    given = {
        'clip': {'query': 'cup', 'search': 'cup'},
        'frame': {'query': 4, 'search': 7},
        'source': {'query': 'a/4.jpg', 'search': 'a/7.jpg'},
        'negative': False,
        **facts,
    }
    data = ClipSample(metainfo={'sample_index': 3, 'source_name': 'LaSOT a/b/c', **given})
    data.instances = {
        role: InstanceData(bboxes=torch.tensor(boxes).reshape(-1, 4), ids=torch.arange(len(boxes)))
        for role, boxes in (('query', [[12.0, 13.0, 30.0, 42.0]]), ('search', search_boxes))
    }
    inputs = {role: torch.zeros(3, HEIGHT, WIDTH, dtype=torch.uint8) for role in ('query', 'search')}
    return {'inputs': inputs, 'data_samples': data}


def test_a_box_is_drawn_where_it_is_and_a_negative_has_a_red_frame() -> None:
    query = draw_role(sample([]), 'query')
    drawn = np.argwhere(query.any(-1))
    assert np.abs(drawn.min(0) - [13, 12]).max() <= 1 and np.abs(drawn.max(0) - [42, 30]).max() <= 1
    search = draw_role(sample([]), 'search')
    assert tuple(search[0, 0]) == NEGATIVE and not search[30, 45].any()


def test_a_colour_for_each_target() -> None:
    search = draw_role(sample([[5.0, 5, 25, 25], [40.0, 5, 60, 25]]), 'search')
    assert [tuple(search[15, x]) for x in (5, 40)] == [PALETTE[0], PALETTE[1]]


def test_large_pictures_are_drawn_smaller_with_their_boxes() -> None:
    query = draw_role(sample([]), 'query', side=45)
    assert query.shape == (30, 45, 3)
    drawn = np.argwhere(query.any(-1))
    assert np.abs(drawn.min(0) - [6.5, 6]).max() <= 1.5 and np.abs(drawn.max(0) - [21, 15]).max() <= 1.5


@pytest.mark.parametrize(
    'samples, columns, cells',
    [(1, 3, (1, 1)), (3, 2, (2, 2)), (4, 2, (2, 2)), (5, 3, (2, 3)), (2, 1, (2, 1))],
)
def test_the_sheet_holds_all_samples(samples: int, columns: int, cells: tuple[int, int]) -> None:
    sheet = contact_sheet([sample([[5.0, 5, 9, 9]])] * samples, columns)
    height, width = 2 * LINE + HEIGHT + GAP, 2 * WIDTH + GAP
    assert sheet.shape == (cells[0] * height, cells[1] * width, 3)
    for row in range(cells[0]):
        for column in range(cells[1]):
            cell = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
            filled = row * cells[1] + column < samples
            # pictures, and text in both lines above them
            assert (cell[2 * LINE : -GAP, : 2 * WIDTH] != BACKGROUND).all() == filled
            assert all((cell[k * LINE : (k + 1) * LINE] < BACKGROUND).any() == filled for k in range(2))


def test_padding_is_grey() -> None:
    padded = sample([[5.0, 5, 9, 9]])
    padded['data_samples'].masks = {'search': torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)}
    padded['data_samples'].masks['search'][:, 20:] = True
    search = draw_role(padded, 'search')
    assert (search[:, 20:] == PADDING).all() and not search[:, 12:20].any()
    assert not draw_role(padded, 'query')[50:].any()


@pytest.mark.parametrize(
    'facts, titles',
    [
        ({}, ['4 query', '+3 search']),
        ({'frame': {'query': 4, 'search': 1}}, ['4 query', '-3 search']),
        ({'frame': {'query': 0, 'search': 0}}, ['0 query', '+0 search']),
        ({'clip': {'query': 'cup', 'search': 'dog'}, 'negative': True}, ['4 query', 'search: dog']),
        ({'negative': True}, ['4 query', '+3 search']),
        (
            {'source': {'query': 'a/4.jpg', 'search': 'b/7.jpg'}, 'negative': True},
            ['4 query', 'search: cup'],
        ),
    ],
    ids=['after', 'before', 'still', 'other clip', 'hidden', 'other clip of the same name'],
)
def test_titles(facts: dict[str, Any], titles: list[str]) -> None:
    data = sample([], **facts)['data_samples']
    assert [role_title(data, role) for role in ('query', 'search')] == titles


def test_long_and_foreign_names_fit() -> None:
    long = contact_sheet([sample([], source_name='LaSOT ' + 'täßt' * 60)])
    assert long.shape == contact_sheet([sample([])]).shape
