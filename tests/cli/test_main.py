"""Parsing and mistakes; nothing here needs a model."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import mmgtrack
from mmgtrack.cli.main import COMMANDS, main
from mmgtrack.cli.output_folder import default_folder
from mmgtrack.interrupt import InterruptGuard


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(['--help'])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize('command', COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, '--help'])
    assert end.value.code == 0
    assert f'usage: mmgtrack {command}' in capsys.readouterr().out


def test_help_loads_nothing_but_the_package() -> None:
    code = """
import sys, mmgtrack
before = set(sys.modules)
from mmgtrack.cli.main import build_parser
build_parser().format_help()
new = {name.split('.')[0] for name in set(sys.modules) - before}
print(sorted(new & {'torch', 'cv2', 'av', 'mmcv', 'mmdet', 'mmengine', 'rich', 'numpy'}))
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'


@pytest.mark.parametrize(
    'words, message',
    [
        ([], 'the following arguments are required: COMMAND'),
        (['trak'], "invalid choice: 'trak'"),
        (['track'], 'the following arguments are required: SOURCE'),
        (['track', '{clip}'], 'no target given; expected at least one --box X,Y,W,H'),
        (['track', '{clip}', '--box', '1,2,3'], "got '1,2,3': 3 values"),
        (['track', '{clip}', '--box', '1,2,-3,4'], 'W = -3'),
        (['track', '{clip}', '--box', '1,2,3,4', '--start-frame', '-2'], '--start-frame must be 0 or more'),
        (['track', '{clip}', '--box', '1,2,3,4', '--start-frame', 'x'], "invalid int value: 'x'"),
        (['track', '{clip}', '--box', '1,2,3,4', '--start-frame', '40'], 'start frame 40 is past the end'),
        (['track', '{clip}', '--box', '1,2,3,4', '--live', 'all'], "invalid choice: 'all'"),
        (['track', '{clip}', '--box', '160,2,30,40'], 'must overlap the frame of 160x120 pixels'),
        (['track', '{clip}', '--box=-30,2,30,40'], '--box -30,2,30,40: the target must overlap the frame of'),
        (['track', '{clip}', '--box', '1,120,3,4'], '--box 1,120,3,4: the target must overlap'),
        (['track', '{clip}', '--box', '1,2,3,4', 'text.mp4'], 'got text.mp4 besides; put a glob in quotes'),
        (['track', '{clip}', '{clip}', 'text.mp4', '--box', '1,2,3,4'], 'one SOURCE at a time'),
        (['track', '{clip}', '--box', '1,2,3,4', 'none.mp4'], 'unrecognized arguments: none.mp4'),
        (['track', '{clip}', '--box', '1,2,3,4', '--out', '{clip}'], 'not a folder'),
        (['track', '{clip}', '--box', '1,2,3,4', '--out', '{clip}/deeper'], 'not a folder'),
        (['track', 'none.mp4', '--box', '1,2,3,4'], 'none.mp4: no such file or folder'),
        (['track', 'text.mp4', '--box', '1,2,3,4'], 'text.mp4: not a video'),
        (['track', 'empty', '--box', '1,2,3,4'], 'empty: no image in it'),
        (['track', '97', '--box', '1,2,3,4'], 'camera 97: cannot be opened'),
        (['track', '{clip}', '--box', '1,2,3,4', '--out', 'old'], 'track_2.csv: left by another run'),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    words: list[str],
    message: str,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'text.mp4').write_text('not a video\n' * 50)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'old').mkdir()
    (tmp_path / 'old' / 'track_2.csv').touch()
    before = sorted(tmp_path.rglob('*'))
    assert main([word.format(clip=clip) for word in words]) == 2
    out, err = capfd.readouterr()
    assert out == ''
    # FFmpeg's own lines are silenced once a process, and a test before this one may have used it
    lines = [line for line in err.splitlines() if not line.startswith('[')]
    assert len(lines) == 1
    assert lines[0].startswith('mmgtrack: error: ')
    assert message in lines[0]
    assert sorted(tmp_path.rglob('*')) == before


def test_decoders_are_silent(tmp_path: Path) -> None:
    (tmp_path / 'text.mp4').write_text('not a video\n' * 50)
    command = [sys.executable, '-m', 'mmgtrack', 'track', 'text.mp4', '--box', '1,2,3,4']
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == 'mmgtrack: error: text.mp4: not a video, or damaged so that it cannot be opened\n'


def test_show_without_a_display(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    if sys.platform in ('win32', 'darwin'):
        pytest.skip('there is always a display')
    assert main(['track', str(clip), '--box', '1,2,30,40', '--show', '--out', str(tmp_path / 'o')]) == 2
    assert capfd.readouterr().err.startswith('mmgtrack: error: --show needs a display')
    assert not (tmp_path / 'o').exists()


@pytest.mark.parametrize(
    'source, name',
    [
        ('a/clip.mp4', 'clip_tracks'),
        ('a/frames/', 'frames_tracks'),
        ('a/*.jpg', 'frames_tracks'),
        ('0', 'camera0_tracks'),
        ('rtsp://user:secret@host/1', 'stream_tracks'),
        ('..', 'frames_tracks'),
    ],
)
def test_default_folder(source: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_folder(source) == Path(name)
    Path(name).mkdir()
    assert default_folder(source) == Path(f'{name}_2')


def test_closed_output_is_silent() -> None:
    command = [sys.executable, '-m', 'mmgtrack', 'models', '--json']
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, '')


def test_models(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv('COLUMNS', '80')
    assert main(['models', '--json']) == 0
    models = json.loads(capsys.readouterr().out)
    assert 'globaltrack_mobilenetv2_lite' in [model['name'] for model in models]
    assert main(['models']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert 'globaltrack_mobilenetv2_lite: 2.7 M parameters, weights included (5.4 MiB)' in lines
    assert 'globaltrack_r50: no weights, give --checkpoint' in lines
    assert max(map(len, lines)) <= 80


@pytest.mark.skipif(sys.platform == 'win32', reason='has no SIGINT for one process')
@pytest.mark.parametrize('start', ['-m', 'mmgtrack', 'program.py'])
def test_interrupting_the_import_of_torch_is_silent(start: str, tmp_path: Path) -> None:
    (tmp_path / 'torch.py').write_text('import time\nprint("importing", flush=True)\ntime.sleep(60)\n')
    (tmp_path / 'bin').mkdir()
    file = tmp_path / 'bin' / start
    file.write_text('from mmgtrack.cli.main import main\nmain()\n')
    package = Path(mmgtrack.__file__).parents[1]
    run = subprocess.Popen(
        [sys.executable, *(['-m', 'mmgtrack'] if start == '-m' else [str(file)]), 'models'],
        env={**os.environ, 'PYTHONPATH': f'{tmp_path}{os.pathsep}{package}'},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None and run.stdout.readline() == 'importing\n'
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=300)
    if start == 'program.py':  # somebody else's program sees the exception
        assert run.returncode != 130 and 'KeyboardInterrupt' in said
    else:
        assert (run.returncode, said) == (130, '')


def test_first_interrupt_asks_and_the_second_waits_for_the_block() -> None:
    done = []
    with InterruptGuard(lambda: done.append('stop')) as guard:
        os.kill(os.getpid(), signal.SIGINT)
        assert guard.requested
        with pytest.raises(KeyboardInterrupt):
            with guard.held():
                os.kill(os.getpid(), signal.SIGINT)
                done.append('block')
            done.append('never')
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            done.append('never')
    assert done == ['stop', 'block']
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
