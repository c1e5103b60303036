"""The parts that all systems share: dead keys, the table of systems, reading mmcv's files."""

from pathlib import Path

import pytest
import torch

from mmgtrack.checkpoint import load_checkpoint_file
from mmgtrack.convert import SYSTEMS, find_converter
from mmgtrack.convert.key_map import KeyMap, Rows
from mmgtrack.convert.official import Converter, read_openmmlab_file
from mmgtrack.errors import CheckpointError, InputError
from tests.convert.official import write_official

KEY_MAP = KeyMap(
    names=((r'head\.branches\.(\d+)', r'branch\1'), (r'head', 'box_head')),
    rows={'box_head.cls': Rows(3, (2, 0), why='a class of no use')},
    dead=((r'aux\..*', 'helps training only'), (r'fc\.(weight|bias)', 'of ImageNet training')),
)


@pytest.mark.parametrize(
    'ours, official',
    [
        ('head.branches.12.weight', 'branch12.weight'),
        ('head.cls.bias', 'box_head.cls.bias'),
        ('header.cls.bias', 'header.cls.bias'),  # a whole name, not its beginning
        ('neck.head.bias', 'neck.head.bias'),  # at the start only
        ('head', 'head'),
    ],
)
def test_names(ours: str, official: str) -> None:
    assert KEY_MAP.source_of(ours) == official


def test_dead_keys_and_rows_are_left_out_with_their_reasons() -> None:
    official = {'box_head.cls.bias': torch.arange(3.0), 'aux.a.b': torch.ones(1), 'fc.bias': torch.ones(1)}
    assert KEY_MAP.convert(official, {'head.cls.bias': (2,)})['head.cls.bias'].tolist() == [2, 0]
    assert KEY_MAP.left_out(official) == {
        'box_head.cls.bias[1]': 'a class of no use',
        'aux.a.b': 'helps training only',
        'fc.bias': 'of ImageNet training',
    }


def test_dead_keys_fit_as_a_whole() -> None:
    official = {'box_head.cls.bias': torch.ones(3), 'fc.bias2': torch.ones(1), 'my.aux.a': torch.ones(1)}
    with pytest.raises(CheckpointError, match=r'^2 keys unknown: fc\.bias2, my\.aux\.a$'):
        KEY_MAP.convert(official, {'head.cls.bias': (2,)})


@pytest.mark.parametrize('system', SYSTEMS)
def test_every_system_has_its_converter(system: str) -> None:
    assert isinstance(find_converter(system), Converter)


def test_an_unknown_system_lists_the_known() -> None:
    with pytest.raises(
        InputError, match="no converter for 'globltrack'; expected one of: dmtrack, globaltrack"
    ):
        find_converter('globltrack')


def test_a_file_of_torch_1_1_is_read(tmp_path: Path) -> None:
    path, weight = tmp_path / 'old.pth', torch.arange(6.0).view(2, 3)
    write_official(path, {'a.weight': weight, 'a.same': weight.t()}, epoch=12, iter=90000)
    assert not path.read_bytes().startswith(b'PK')  # no zip archive, which newer files are
    content = load_checkpoint_file(path)
    assert content['meta']['CLASSES'] == ('object',)
    assert torch.equal(content['state_dict']['module.a.same'], weight.t())

    official = read_openmmlab_file(path)
    assert list(official.weights) == ['module.a.weight', 'module.a.same']
    assert official.progress == {'epoch': 12, 'iter': 90000}
    assert official.left_out == {'optimizer': 'training state'}


def test_progress_is_taken_as_whole_numbers_only(tmp_path: Path) -> None:
    write_official(tmp_path / 'old.pth', {'a': torch.ones(1)}, epoch='twelve', iter=True)
    assert read_openmmlab_file(tmp_path / 'old.pth').progress == {}
    torch.save({'a': torch.ones(1)}, tmp_path / 'bare.pth')  # the weights alone
    bare = read_openmmlab_file(tmp_path / 'bare.pth')
    assert (list(bare.weights), bare.progress, bare.left_out) == (['a'], {}, {})
