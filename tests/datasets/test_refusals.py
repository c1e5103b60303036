"""A data set that gives no sample says, in one line with numbers, what stands in the way."""

import pickle
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmgtrack.datasets import ClipDataset, GOT10k, synthetic_clip, write_sequence
from mmgtrack.errors import DataError, FrameError
from mmgtrack.registry import DATASETS
from tests.datasets.test_benchmarks import write_got10k, write_lasot

LOAD = [{'type': 'mmgtrack.LoadFrame'}]
FILTER = {'min_area': 20, 'sides': (10, 960), 'shares': (0.01, 0.75), 'aspect': (0.2, 5)}


def data_set(source: dict[str, Any], sampler: dict[str, Any], pipeline: Any = LOAD) -> ClipDataset:
    roles = ('template', 'search')
    config = dict(type='mmgtrack.ClipDataset', sources=[source], num_samples=9, roles=roles)
    return DATASETS.build(config | dict(sampler=sampler, pipelines=dict.fromkeys(roles, pipeline)))


def refusal(*arguments: Any) -> str:
    """Message for sample 0, which must come at once."""
    dataset = data_set(*arguments)
    start = time.process_time()
    with pytest.raises(DataError) as refused:
        dataset[0]
    assert time.process_time() - start < 3
    message = str(refused.value)
    assert '\n' not in message
    return message


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two clips of 8 frames; in one of them the target is there for 4."""
    write_sequence(synthetic_clip(8, size=(60, 80), seed=0), tmp_path / 'clips/a')
    write_sequence(synthetic_clip(8, size=(60, 80), absences={0: (4, 8)}, seed=1), tmp_path / 'clips/b')
    return tmp_path / 'clips'


def folder(root: Path) -> dict[str, Any]:
    return {'type': 'mmgtrack.SequenceFolder', 'root': str(root)}


def test_clips_that_are_too_short(clips: Path) -> None:
    message = refusal(folder(clips), {'type': 'mmgtrack.CausalSampler'})
    expected = '100x clip shorter than min_length=20 frames'
    assert message == f'no usable sample 0 in 100 draws from SequenceFolder {clips}: {expected}'


def test_targets_that_are_hardly_visible(clips: Path) -> None:
    shutil.rmtree(clips / 'a')
    message = refusal(folder(clips), {'type': 'mmgtrack.TridentSampler', 'min_length': 8})
    assert message.endswith(': 100x clip without a target that is visible in more than 4 frames')


def test_negatives_without_another_clip(clips: Path) -> None:
    shutil.rmtree(clips / 'b')
    sampler = {'type': 'mmgtrack.CausalSampler', 'min_length': 8, 'negative_prob': 1.0}
    assert refusal(folder(clips), sampler).endswith(': 100x negative without another clip to show')
    sampler = {'type': 'mmgtrack.ClipSampler', 'negative_prob': 1.0}
    assert refusal(folder(clips), sampler).endswith(': 100x negative without another clip to show')


def test_reasons_are_counted(clips: Path) -> None:
    """Half of the draws lack frames, the other half lose the target in a transform."""
    zoom = {'type': 'mmgtrack.RandomZoom', 'scale': (80, 60), 'size_range': (1, 1), 'zoom_range': (0.01, 1)}
    sampler = {'type': 'mmgtrack.TridentSampler', 'min_length': 8}
    message = refusal(folder(clips), sampler, [*LOAD, zoom])
    counts = [int(part.split('x ')[0].split()[-1]) for part in message.split(': ')[1].split(';')]
    assert sum(counts) == 100 and len(counts) == 2 and min(counts) > 30
    assert 'x target outside, doubtful or with a side below 2 px after RandomZoom (template)' in message
    assert 'x clip without a target that is visible in more than 4 frames' in message


def test_the_frame_filter_says_what_each_rule_removed(tmp_path: Path) -> None:
    rows = ['10,12,5,30', '10,12,5,30', '10,12,30,30', '10,12,60,11', '0,0,0,0']
    write_got10k(tmp_path, 'GOT-10k_Train_000001', rows, absence=[0, 0, 0, 0, 1])
    source = {'type': 'mmgtrack.GOT10k', 'root': str(tmp_path), 'frame_filter': FILTER}
    sequence = GOT10k(str(tmp_path), frame_filter=FILTER)[0]
    assert sequence.filtered == {'sides=(10, 960)': 2, 'aspect=(0.2, 5)': 1}
    assert sequence.present.sum() == 1  # the absent frame is nobody's
    assert refusal(source, {'type': 'mmgtrack.UniformClipSampler'}).endswith(
        ': 100x clip with fewer than 2 frames that show the target; of 4 boxes in these clips the frame '
        'filter removed 2 by sides=(10, 960), 1 by aspect=(0.2, 5)'
    )


def test_every_rule_of_the_filter_has_its_number(tmp_path: Path) -> None:
    rows = ['10,12,4,4', '10,12,5,30', '0,0,90,70', '10,2,9,55', '10,12,30,30']
    write_lasot(tmp_path, 'cup-1', rows)
    frame_filter = dict(min_area=20, sides=(5, 200), shares=(0.01, 0.75), aspect=(0.2, 5))
    source = {'type': 'mmgtrack.LaSOT', 'root': str(tmp_path), 'frame_filter': frame_filter}
    (reader,) = data_set(source, {'type': 'mmgtrack.ClipSampler'}).readers
    assert sum(reader[0].filtered.values()) + reader[0].present.sum() == len(rows)
    assert [rule.split('=')[0] for rule in reader[0].filtered] == ['min_area', 'shares', 'aspect']


def test_images_that_are_all_missing(clips: Path) -> None:
    for file in clips.glob('*/img/*'):
        file.write_bytes(b'')
    message = refusal(folder(clips), {'type': 'mmgtrack.ClipSampler'})
    start, end = ': 100x image that cannot be read; cannot read the image ', ': it is cut off after 0 bytes'
    assert start in message and message.endswith(end)


class TestBrokenImages:
    """Samples pass over them and say so."""

    def broken(self, clips: Path) -> set[str]:
        """Cut off every second image of clip a."""
        files = sorted((clips / 'a/img').iterdir())[::2]
        for file in files:
            file.write_bytes(file.read_bytes()[:-40])
        return {str(file) for file in files}

    def test_are_passed_over_and_named(self, clips: Path) -> None:
        whole = data_set(folder(clips), {'type': 'mmgtrack.ClipSampler'})
        before = [whole[n]['data_samples'].source for n in range(40)]
        broken = self.broken(clips)
        first, second = (data_set(folder(clips), {'type': 'mmgtrack.ClipSampler'}) for _ in range(2))
        named: dict[str, str] = {}
        for n in range(40):
            data = first[n]['data_samples']
            assert broken.isdisjoint(data.source.values())
            # a sample without a broken image is the one it was, another is drawn anew
            assert (data.source == before[n]) == (not data.broken_images)
            assert bool(data.broken_images) == (not broken.isdisjoint(before[n].values()))
            same = second[n]['data_samples']
            assert (same.source, same.broken_images) == (data.source, data.broken_images)
            named |= data.broken_images
        assert named == {
            path: f'cannot read the image {path}: the file is damaged or no image' for path in broken
        }

    def test_in_a_picture_that_is_mixed_in(self, clips: Path) -> None:
        broken = self.broken(clips)
        zoom = {'type': 'mmgtrack.RandomZoom', 'scale': (80, 60), 'zoom_range': (0.3, 0.5), 'mix_prob': 1.0}
        dataset = data_set(folder(clips), {'type': 'mmgtrack.ClipSampler'}, [*LOAD, zoom])
        named = {path for n in range(40) for path in dataset[n]['data_samples'].broken_images}
        assert named == broken

    def test_the_first_frame_of_a_video_that_the_reader_opens(self, tmp_path: Path) -> None:
        for number in (1, 2):
            write_lasot(tmp_path, f'cup-{number}', ['10,12,30,30'] * 4)
        first = tmp_path / 'cup/cup-1/img/00000001.jpg'
        first.unlink()
        source = {'type': 'mmgtrack.LaSOT', 'root': str(tmp_path), 'frame_filter': FILTER}
        dataset = data_set(source, {'type': 'mmgtrack.UniformClipSampler', 'other_clips': False})
        samples = [dataset[n]['data_samples'] for n in range(20)]
        assert {data.clip['search'] for data in samples} == {'cup-2'}
        assert {path for data in samples for path in data.broken_images} == {str(first)}


def test_the_error_passes_between_processes() -> None:
    error = pickle.loads(pickle.dumps(FrameError('cannot read the image a.jpg: cut off', 'a.jpg')))
    assert (str(error), error.path) == ('cannot read the image a.jpg: cut off', 'a.jpg')


def test_facts_of_the_frames_drawn(clip_config: Callable[..., dict[str, Any]], demo_root: Path) -> None:
    dataset = DATASETS.build(clip_config())
    for n in range(20):
        data = dataset[n]['data_samples']
        if not data.negative and '/img/' in data.source['query'] and 'images' not in data.source_name:
            path = Path(data.source['search'])
            assert data.clip['search'] == path.parents[1].name
            assert data.frame['search'] == int(path.stem) - 1
            assert data.source_name == f'SequenceFolder {path.parents[2]}'
        assert data.broken_images == {}
