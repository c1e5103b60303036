"""The commands of mim find mmgtrack and do their work: see docs/mim_and_mmtrack.md.

mim wants an environment of its own, so these tests are skipped in any other; .ci/environments.sh makes one of
each kind and runs them there.
"""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import pytest

from mmgtrack import zoo
from mmgtrack.checkpoint import load_checkpoint_file
from mmgtrack.datasets.synthetic import synthetic_clip, write_sequence

if find_spec('mim') is None:
    pytest.skip('mim is not installed in this environment', allow_module_level=True)

ROOT = Path(__file__).parents[2]
WEIGHTS = zoo.weights_path(zoo.find_model(zoo.DEFAULT))
PAGE = ROOT / 'docs' / 'mim_and_mmtrack.md'
TWO_STEPS = [
    'train_dataloader.dataset.num_samples=4',
    'train_dataloader.batch_size=2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'train_cfg.max_epochs=1',
    'default_hooks.logger.interval=1',
]


def of_page(*words: str) -> list[str]:
    """The page's only command that starts with these words, without ``mim``, for a run of one epoch."""
    start = re.escape(' '.join(words))
    (command,) = re.findall(f'^mim ({start} .*)$', PAGE.read_text(encoding='utf-8'), re.MULTILINE)
    return str(command).replace('epoch_10.pth', 'epoch_1.pth').split()


def run_mim(*words: object, folder: Path, **environment: str) -> str:
    """Run ``mim WORDS``, alone and outside of the checkout; return what it prints."""
    # not the checkout that this test lies in, but what is installed
    inherited = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    done = subprocess.run(
        [Path(sys.executable).parent / 'mim', *map(str, words)],
        cwd=folder,
        env={**inherited, 'OMP_NUM_THREADS': '1', **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def write_image(root: Path) -> None:
    """A data set in COCO format: one image with one box."""
    root.mkdir()
    clip = synthetic_clip(num_frames=1, size=(96, 128), num_targets=1, seed=9)
    cv2.imwrite(str(root / 'a.png'), clip.frames[0])
    left, top, right, bottom = clip.boxes[0, 0].tolist()
    image = {'id': 1, 'file_name': 'a.png', 'width': 128, 'height': 96}
    box = {'id': 1, 'image_id': 1, 'bbox': [left, top, right - left, bottom - top]}
    (root / 'annotations.json').write_text(json.dumps({'images': [image], 'annotations': [box]}))


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to work in, with data in data/ laid out as the light config wants them."""
    folder = tmp_path_factory.mktemp('mim')
    for seed, place in enumerate(['sequences/train', 'clips', 'sequences/val', 'sequences/val/composites']):
        clip = synthetic_clip(num_frames=5, size=(96, 128), num_targets=1, seed=seed)
        write_sequence(clip, folder / 'data' / place / f'clip{seed}')
    for name in ('images', 'images2'):
        write_image(folder / 'data' / name)
    return folder


@pytest.fixture(scope='module')
def trained(folder: Path) -> str:
    """What ``mim train`` printed; its work folder is runs/."""
    options = ['--load-from', WEIGHTS, '--cfg-options', *TWO_STEPS]
    return run_mim(*of_page('train'), *options, folder=folder)


def test_train(folder: Path, trained: str) -> None:
    assert len(re.findall(r'Epoch\(train\) \[1\]\[[12]/2\].* loss: \d', trained)) == 2
    meta = load_checkpoint_file(folder / 'runs' / 'epoch_1.pth')['meta']
    assert (meta['epoch'], meta['iter']) == (1, 2)


@pytest.mark.usefixtures('trained')
def test_test(folder: Path) -> None:
    printed = run_mim(*of_page('test'), folder=folder)
    (score,) = re.findall(r'Epoch\(test\) .* success/auc: ([\d.]+)', printed)
    assert 0.5 < float(score) <= 1  # two steps spoil nothing


@pytest.mark.usefixtures('trained')
def test_run_a_tool(folder: Path) -> None:
    run_mim(*of_page('run mmgtrack publish'), folder=folder)
    assert load_checkpoint_file(folder / 'small.pth')['meta']['config_name'] == zoo.DEFAULT


def test_run_a_tool_of_a_subfolder(folder: Path) -> None:
    printed = run_mim(*of_page('run mmgtrack analysis:get_flops'), folder=folder)
    assert re.search(r'a frame, 1 target .* \d+\.\d', printed)


def test_run_in_two_processes(folder: Path) -> None:
    """``--launcher pytorch`` calls the script through torch.distributed.launch."""
    words = [*of_page('train'), '--launcher', 'pytorch', '--gpus', 2, '--load-from', WEIGHTS]
    options = [*TWO_STEPS, 'train_dataloader.batch_size=1', 'work_dir=two']
    printed = run_mim(*words, '--cfg-options', *options, folder=folder, CUDA_VISIBLE_DEVICES='-1')
    assert 'Training finished successfully' in printed
    assert len(re.findall(r'Epoch\(train\) \[1\]\[[12]/2\].* loss: \d', printed)) == 2


def search(*words: str, folder: Path) -> dict[str, str]:
    """Names and config files of the models that ``mim search`` finds."""
    run_mim('search', 'mmgtrack', *words, '--json', 'found.json', folder=folder)
    found: dict[str, str] = json.loads((folder / 'found.json').read_text())['config']
    return found


def test_search_shows_every_config(folder: Path) -> None:
    there = (ROOT / 'configs').glob('*.py')
    assert search(folder=folder) == {path.stem: f'configs/{path.name}' for path in there}


def test_search_for_one_config(folder: Path) -> None:
    words = of_page('search mmgtrack --config')[2:]
    assert search(*words, folder=folder) == {'stark_s50': 'configs/stark_s50.py'}


@pytest.mark.parametrize('collection', ['globaltrack', 'stark'])
def test_search_for_a_collection(collection: str, folder: Path) -> None:
    there = {path.stem for path in (ROOT / 'configs').glob(f'{collection}*.py')}
    assert set(search('--model', collection, folder=folder)) == there


def test_the_parser_of_mim_reads_the_metafile() -> None:
    from modelindex.load_model_index import load

    index = load(str(ROOT / 'model-index.yml'))
    assert [model.config for model in index.models] == [f'configs/{model.name}.py' for model in index.models]
    # it looks for the pages of a collection beside the metafile; ours are named from the root, as in mmdet
    faults = [fault for fault in index.check(silent=True) if 'Path to README' not in fault]
    assert faults == []
