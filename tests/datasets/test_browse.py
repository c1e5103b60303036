"""tools/data/browse.py: the sheet shows every role with its boxes."""

import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmgtrack.errors import MMGTrackError
from mmgtrack.structures import ClipSample

TOOL = runpy.run_path(str(Path(__file__).parents[2] / 'tools/data/browse.py'), run_name='browse')


def sample(search_boxes: list[list[float]]) -> dict[str, Any]:
    data = ClipSample()
    data.instances = {
        role: InstanceData(bboxes=torch.tensor(boxes).reshape(-1, 4), ids=torch.arange(len(boxes)))
        for role, boxes in (('query', [[2.0, 3.0, 10.0, 12.0]]), ('search', search_boxes))
    }
    inputs = {role: torch.zeros(3, 20, 30, dtype=torch.uint8) for role in ('query', 'search')}
    return {'inputs': inputs, 'data_samples': data}


def test_box_is_drawn_where_it_is_and_a_negative_has_a_red_frame() -> None:
    query = TOOL['draw_role'](sample([]), 'query')
    drawn = np.argwhere(query.any(-1))
    assert drawn.min(0).tolist() == [3, 2] and drawn.max(0).tolist() == [12, 10]
    search = TOOL['draw_role'](sample([]), 'search')
    assert tuple(search[0, 0]) == TOOL['RED'] and not search[10, 15].any()


def test_sheet_holds_all_samples() -> None:
    sheet = TOOL['contact_sheet']([sample([[5.0, 5.0, 9.0, 9.0]])] * 3, columns=2)
    title, background = TOOL['TITLE'], TOOL['BACKGROUND']
    assert sheet.shape == (title + 2 * (20 + 6), 2 * (60 + 6), 3)
    assert (sheet[title + 26 : -6, :30] != background).all()
    assert (sheet[title + 26 :, 66:] == background).all()
    assert (sheet[:title, :60] < background).any()  # the names of the roles


def test_padding_is_grey() -> None:
    padded = sample([[5.0, 5.0, 9.0, 9.0]])
    padded['data_samples'].masks = {'search': torch.zeros(20, 30, dtype=torch.bool)}
    padded['data_samples'].masks['search'][:, 20:] = True
    search = TOOL['draw_role'](padded, 'search')
    assert (search[:, 20:] == TOOL['PADDING']).all() and not search[:, 10:20].any()


@pytest.mark.parametrize(
    'words, message',
    [
        ('c.py sheet.png --samples 0', '--samples must be at least 1, got 0'),
        ('c.py sheet.png --columns 0', '--columns must be at least 1, got 0'),
        ('c.py sheet.png --first -1', '--first must be at least 0, got -1'),
        ('c.py sheet.txt', "sheet.txt: no image type '.txt' is known"),
        ('c.py sheet', "sheet: no image type '' is known"),
        ('c.py none/sheet.png', 'cannot write none/sheet.png'),
        ('none.py sheet.png', 'no config file none.py'),
        ('d.py sheet.png', 'the config d.py has no train_dataloader'),
    ],
)
def test_mistakes_are_said(words: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'c.py').write_text('train_dataloader = dict(dataset=dict())')
    (tmp_path / 'd.py').touch()
    monkeypatch.setattr(sys, 'argv', ['browse.py', *words.split()])
    with pytest.raises(MMGTrackError) as refused:
        TOOL['main']()
    assert str(refused.value).startswith(message)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['c.py', 'd.py']
