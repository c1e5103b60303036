"""Files that ask for anybody's classes and functions: tensors come out, nothing runs."""

import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict, defaultdict, deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from mmgtrack.convert.inert import Inert, load_inert
from mmgtrack.errors import CheckpointError

FORMATS = pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])


class MadeByNew:
    """Leaves a mark when it is made without its initialiser."""

    def __new__(cls, mark: str) -> 'MadeByNew':
        Path(mark).touch()
        return super().__new__(cls)


class Filled:
    """Leaves a mark when it is given state or items."""

    def __setstate__(self, mark: str) -> None:
        Path(mark).touch()

    def __setitem__(self, mark: str, value: Any) -> None:
        Path(mark).touch()

    def append(self, mark: str) -> None:
        Path(mark).touch()


def text(value: object) -> bytes:
    """The opcode that pushes a text."""
    data = str(value).encode()
    return b'X' + struct.pack('<I', len(data)) + data


def called(function: str, *arguments: bytes) -> bytes:
    """GLOBAL and REDUCE: the module and name of a function with the arguments that these opcodes push."""
    return global_(function) + b'(' + b''.join(arguments) + b'tR'


def global_(name: str) -> bytes:
    module, _, last = name.rpartition('.')
    return f'c{module}\n{last}\n'.encode()


# what every payload would do by itself is checked: each leaves the mark when pickle reads it
PAYLOADS = {
    'os': lambda mark: called('os.mkdir', text(mark)),
    'posix': lambda mark: called('posix.mkdir', text(mark)),
    'subprocess': lambda mark: called(
        'subprocess.check_call', b']' + text('touch') + b'a' + text(mark) + b'a'
    ),
    'exec': lambda mark: called('builtins.exec', text(f'open({str(mark)!r}, "w")')),
    'eval of Python 2': lambda mark: called('__builtin__.eval', text(f'open({str(mark)!r}, "w").close()')),
    'getattr': lambda mark: (
        called('builtins.getattr', called('builtins.__import__', text('os')), text('mkdir'))
        + text(mark)
        + b'\x85R'
    ),
    'pickle in a pickle': lambda mark: called(
        'pickle.loads',
        called('_codecs.encode', text('cio\nopen\n(V' + str(mark) + '\nVw\ntR.'), text('latin1')),
    ),
    'INST': lambda mark: b'(' + text(mark) + text('w') + b'iio\nopen\n',
    'OBJ': lambda mark: b'(' + global_('io.FileIO') + text(mark) + text('w') + b'o',
    'NEWOBJ': lambda mark: global_(f'{__name__}.MadeByNew') + text(mark) + b'\x85\x81',
    'BUILD': lambda mark: global_(f'{__name__}.Filled') + b')\x81' + text(mark) + b'b',
    'SETITEM': lambda mark: global_(f'{__name__}.Filled') + b')\x81' + text(mark) + b'Ns',
    'APPEND': lambda mark: global_(f'{__name__}.Filled') + b')\x81' + text(mark) + b'a',
    'STACK_GLOBAL': lambda mark: text('os') + text('mkdir') + b'\x93' + text(mark) + b'\x85R',
}
# what torch's restricted unpickler does not do for anybody
REFUSED = {'os', 'posix', 'getattr', 'INST', 'OBJ', 'STACK_GLOBAL'}
# a payload alone, as an argument, and in the state of an object whose class nobody has
PLACES = {
    'alone': lambda code: code,
    'argument': lambda code: called('lib.train.data.make', code),
    'state': lambda code: global_('lib.Settings') + b')\x81}' + text('env') + code + b'sb',
}


def write(path: Path, code: bytes, *, zipped: bool) -> None:
    """A checkpoint in which these opcodes push one of the values."""
    content = {'net': OrderedDict(a=torch.arange(6.0).view(2, 3).t()), 'settings': 'placeholder'}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    if not zipped:
        path.write_bytes(path.read_bytes().replace(text('placeholder'), code))
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in members.items():
            archive.writestr(name, data.replace(text('placeholder'), code))


@FORMATS
@pytest.mark.parametrize('place', PLACES)
@pytest.mark.parametrize('payload', PAYLOADS)
def test_nothing_is_executed(payload: str, place: str, zipped: bool, tmp_path: Path) -> None:
    path, mark = tmp_path / 'file.pth', tmp_path / 'mark'
    write(path, PLACES[place](PAYLOADS[payload](mark)), zipped=zipped)
    if payload in REFUSED:
        with pytest.raises(CheckpointError, match='asks for something to be executed'):
            load_inert(path)
    else:
        assert torch.equal(load_inert(path)['net']['a'], torch.arange(6.0).view(2, 3).t())
    assert not mark.exists()


@pytest.mark.parametrize('payload', PAYLOADS)
def test_each_payload_is_live(payload: str, tmp_path: Path) -> None:
    """Else the test above would prove nothing."""
    mark = tmp_path / 'mark'
    pickle.loads(b'\x80\x02' + PAYLOADS[payload](mark) + b'.')
    assert mark.exists()


@FORMATS
def test_no_module_is_imported(zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / 'mark'
    (tmp_path / 'unheard_of.py').write_text(f'open({str(mark)!r}, "w").close()\n')
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path / 'file.pth', called('unheard_of.anything'), zipped=zipped)
    assert isinstance(load_inert(tmp_path / 'file.pth')['settings'], Inert)
    assert not mark.exists()


class OwnDict(dict):
    """A dict with attributes, as config libraries make them."""


@FORMATS
def test_values_survive_and_objects_do_not(zipped: bool, tmp_path: Path) -> None:
    own = OwnDict(lr=0.1)
    own.lr = 0.1
    plain = {
        'text': 'a',
        'number': 1 << 70,
        'list': [1, None],
        'bytes': b'ab',
        'set': {1, 2},
        'pair': (1, 2.5),
    }
    gone = {'array': np.arange(3), 'scalar': np.float64(1), 'object': SimpleNamespace(a=1), 'path': tmp_path}
    filled = {'own': own, 'default': defaultdict(list, a=[1]), 'queue': deque([1, 2], 3)}
    path = tmp_path / 'file.pth'
    torch.save({**plain, **gone, **filled}, path, _use_new_zipfile_serialization=zipped)
    content = load_inert(path)
    assert {name: content[name] for name in plain} == plain
    assert {type(content[name]) for name in gone} == {Inert}
    assert {name: content[name] for name in filled} == {'own': own, 'default': {'a': [1]}, 'queue': [1, 2]}
    assert type(content['own']) is OrderedDict and type(content['queue']) is list


@FORMATS
def test_a_damaged_index_takes_no_memory(zipped: bool, tmp_path: Path) -> None:
    """The fast unpickler would make room for two thousand million values."""
    write(tmp_path / 'file.pth', text('value') + b'r\xff\xff\xff\x7f', zipped=zipped)
    assert load_inert(tmp_path / 'file.pth')['settings'] == 'value'


def no_checkpoint(path: Path) -> None:
    path.write_text('these are not weights')


def cut(path: Path) -> None:
    write(path, text('value'), zipped=False)
    path.write_bytes(path.read_bytes()[:-10])


def other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('readme.txt', 'no weights')


def torch_script(path: Path) -> None:
    write(path, text('value'), zipped=True)
    with zipfile.ZipFile(path, 'a') as archive:
        archive.writestr('file/constants.pkl', pickle.dumps(()))


def tar(path: Path) -> None:
    with tarfile.open(path, 'w') as archive:
        for name in ('storages', 'tensors', 'pickle'):
            archive.addfile(tarfile.TarInfo(name))


@pytest.mark.filterwarnings('ignore:.*TorchScript archive:UserWarning')
@pytest.mark.parametrize('make', [no_checkpoint, cut, other_zip, torch_script, tar, Path.mkdir, Path.exists])
def test_other_files_are_refused(make: Any, tmp_path: Path) -> None:
    path = tmp_path / 'file.pth'
    make(path)
    with pytest.raises(CheckpointError, match=r'cannot read .* safely') as caught:
        load_inert(path)
    assert len(str(caught.value).splitlines()) == 1
