"""What the shipped configs draw: shares, gaps and chances within the bounds of the binomial distribution.

A count is accepted within four standard deviations: a right rule would fail with one seed in 16,000, and the
seeds are fixed.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config

from mmgtrack.datasets import ClipDataset
from mmgtrack.datasets.clip_sampler import FOREIGN_ID, ClipDraw, ClipSampler, Refusal
from mmgtrack.registry import DATA_SAMPLERS, DATASETS
from tests.datasets.test_clip_sampler import clip
from tests.datasets.test_globaltrack_data import data as globaltrack_data  # noqa: F401  (fixtures)
from tests.datasets.test_stark_data import data as stark_data  # noqa: F401

FOLDER = Path(__file__).parents[2] / 'configs/_base_/datasets'


def likely(count: int, total: int, share: float) -> bool:
    return abs(count - total * share) <= 4 * np.sqrt(total * share * (1 - share))


def evenly(values: Any, cells: int, low: float, high: float) -> bool:
    """Whether values in [low, high) fill that many cells alike."""
    counts = np.histogram(values, cells, (low, high))[0]
    assert counts.sum() == len(values)
    return all(likely(int(count), len(values), 1 / cells) for count in counts)


def data_config(name: str) -> Any:
    config = Config.fromfile(FOLDER / name)
    return config.get('train_dataloader', config.get('clip_dataloader')).dataset


def drawn(dataset: ClipDataset, count: int) -> Iterator[tuple[int, ClipDraw | Refusal]]:
    """(source, draw) of the first attempts at samples, without the images."""
    for index in range(count):
        rng = np.random.default_rng((dataset.seed, index, 0))
        source = dataset._source(rng)
        pick = dataset._clips(source, rng).__next__
        yield source, dataset.sampler.draw(pick, len(dataset.roles), rng)


def positions(name: str, length: int, count: int = 2000) -> np.ndarray:
    """(n, roles) frame numbers that a config draws from one video whose target is always there."""
    config = data_config(name)
    changes = {'negative_prob': 0} if 'negative_prob' in config.sampler else {}
    sampler = DATA_SAMPLERS.build({**config.sampler, **changes})
    video = clip(np.ones((length, 1)))
    draws = (sampler.draw(lambda: video, len(config.roles), np.random.default_rng(n)) for n in range(count))
    return np.array([[frame.number for frame in draw.frames] for draw in draws])


class TestGlobalTrack:
    NAME = 'coco_got10k_lasot.py'

    def test_sources_and_no_negatives(self, globaltrack_data: Path) -> None:  # noqa: F811
        sources = Counter()
        for source, draw in drawn(DATASETS.build(data_config(self.NAME)), 5000):
            sources[source] += 1
            assert isinstance(draw, Refusal) or not draw.negative
        for source, share in enumerate((0.4, 0.4, 0.2)):
            assert likely(sources[source], 5000, share)

    def test_gaps(self) -> None:
        """All pairs at most 300 frames apart alike: gap g has 1000 - g of them."""
        query, search = positions(self.NAME, 1000).T
        gaps = search - query
        assert gaps.min() >= 1 and gaps.max() <= 300
        pairs = 1000 - np.arange(1, 301)
        for low, high in ((1, 60), (61, 150), (151, 300)):
            share = pairs[low - 1 : high].sum() / pairs.sum()
            assert likely(int(((gaps >= low) & (gaps <= high)).sum()), 2000, share)

    def test_instances(self) -> None:
        """Eight of those of an image, each as likely as the next."""
        sampler = DATA_SAMPLERS.build(data_config(self.NAME).sampler)
        image = clip(np.ones((1, 20)))
        draws = [sampler.draw(lambda: image, 2, np.random.default_rng(n)) for n in range(1000)]
        counts = Counter(target for draw in draws for target in draw.frames[0].ids.tolist())
        assert sum(counts.values()) == 8000 and len(counts) == 20
        assert all(likely(count, 1000, 8 / 20) for count in counts.values())

    def test_augmentation(self, globaltrack_data: Path) -> None:  # noqa: F811
        """Flips with chance 1/2, apart from each other; one of five interpolations."""
        config = data_config('coco.py')
        _, light, shared, resize, _flip = config.pipelines.query
        assert config.pipelines.search == config.pipelines.query
        assert light == dict(type='mmdet.PhotoMetricDistortion', swap_channels=False)
        assert shared.transforms[0].prob == 0.5
        names = [transform.interpolation for (transform,) in resize.transforms]
        assert names == ['bilinear', 'bicubic', 'area', 'nearest', 'lanczos'] and 'prob' not in resize
        for (transform,) in resize.transforms:
            transform.scale = (40, 40)
        dataset = DATASETS.build(config)
        flips = Counter(tuple(dataset[n]['data_samples'].flip.values()) for n in range(400))
        assert all(likely(flips[query, search], 400, 1 / 4) for query in (0, 1) for search in (0, 1))


class TestSTARK:
    def test_sources_and_negatives(self, stark_data: Path) -> None:  # noqa: F811
        sources, negatives, others = Counter(), Counter(), Counter()
        dataset = DATASETS.build(data_config('stark_trident_score.py'))
        for source, draw in drawn(dataset, 5000):
            sources[source] += 1
            if isinstance(draw, Refusal):
                continue
            negatives[source, draw.negative] += 1
            if draw.negative and len(draw.frames[-1].ids):
                others[next(s for s in range(4) if self.is_from(s, draw.frames[-1].path))] += 1
        assert all(likely(sources[source], 5000, 1 / 4) for source in range(4))
        for source in range(4):
            drawn_here = negatives[source, True] + negatives[source, False]
            assert likely(negatives[source, True], drawn_here, 0.5)
        # the picture of another video is of any set; LaSOT's own negatives are hidden frames of its video
        assert set(others) == set(range(4))

    @staticmethod
    def is_from(source: int, path: str) -> bool:
        return f'/{("lasot", "got10k", "coco", "trackingnet")[source]}/' in path

    def test_no_negatives_before_the_score_stage(self, stark_data: Path) -> None:  # noqa: F811
        for name in ('stark_causal.py', 'stark_trident.py'):
            for _, draw in drawn(DATASETS.build(data_config(name)), 200):
                assert isinstance(draw, Refusal) or not draw.negative

    def test_causal_gaps(self) -> None:
        template, search = positions('stark_causal.py', 2000).T
        assert evenly(template, 4, 0, 1999)
        inside = template < 1800  # farther on, the end of the video cuts the gap
        assert evenly((search - template)[inside], 4, 1, 200)

    @pytest.mark.parametrize('name', ['stark_trident.py', 'stark_trident_score.py'])
    def test_trident_gaps(self, name: str) -> None:
        template, dynamic, search = positions(name, 2000).T
        assert evenly(template, 4, 0, 2000) and evenly(search, 4, 0, 2000)
        assert likely(int((template < search).sum()), 2000, 0.5)
        far = (search >= 200) & (search < 1800)
        before, after = far & (template < search), far & (template >= search)
        assert evenly((search - dynamic)[before], 4, 1, 201)
        assert evenly((dynamic - search)[after], 4, 0, 200)

    def test_flips(self, stark_data: Path) -> None:  # noqa: F811
        """Shared for the whole frames, then again for each image: two roles agree in half of the samples."""
        dataset = DATASETS.build(data_config('stark_causal.py'))
        flips = Counter(tuple(dataset[n]['data_samples'].flip.values()) for n in range(300))
        assert all(likely(flips[one, two], 300, 1 / 4) for one in (0, 1) for two in (0, 1))


class TestLightModel:
    def test_sources_and_negatives(self, demo_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv('MMGTRACK_DATA', str(demo_root))
        sources, negatives = Counter(), 0
        for source, draw in drawn(DATASETS.build(data_config('demo_data.py')), 4000):
            sources[source] += 1
            if not isinstance(draw, Refusal):
                negatives += draw.negative
                first, *_, last = ((frame.clip, Path(frame.path).parent) for frame in draw.frames)
                foreign = first != last  # clips of two folders may have one name
                assert draw.negative == foreign and all((draw.frames[-1].ids >= FOREIGN_ID) == foreign)
        for source, share in enumerate((0.3, 0.3, 0.15, 0.25)):
            assert likely(sources[source], 4000, share)
        assert likely(negatives, 4000, 0.1)

    def test_negatives_of_few_clips(self) -> None:
        """As many as asked for also where every third pick is the clip itself."""
        few = [clip(np.ones((6, 1)), name=name) for name in 'abc']
        sampler, rng = ClipSampler(negative_prob=0.5, other_clips=False), np.random.default_rng(0)
        found = [sampler.draw(lambda: few[int(rng.integers(3))], 2, rng) for _ in range(2000)]
        assert likely(sum(isinstance(draw, ClipDraw) and draw.negative for draw in found), 2000, 0.5)

    def test_gaps(self) -> None:
        """Before and after the query alike, at most 300 frames away."""
        query, search = positions('demo_data.py', 2000, 1500).T
        inside = (query >= 300) & (query < 1700)
        gaps = (search - query)[inside]
        assert 0 not in gaps and evenly(gaps, 4, -300, 301)
