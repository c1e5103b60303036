"""Training samples: one image per role of one video, from a weighted mixture of readers."""

from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Items
from typing import Any

import numpy as np
from mmcv.transforms import Compose
from mmengine.structures import InstanceData

from mmgtrack.datasets.clip_sampler import ClipDraw, FrameSampler, Refusal, RoleFrame
from mmgtrack.datasets.identities import number_sources
from mmgtrack.datasets.packing import RoleResult, join_roles, role_input
from mmgtrack.datasets.refusals import no_sample
from mmgtrack.datasets.role_pipeline import lost_targets, run_transforms
from mmgtrack.datasets.seeding import seeded
from mmgtrack.datasets.sequence import Reader, Sequence
from mmgtrack.errors import DataError, FrameError, InputError
from mmgtrack.registry import DATA_SAMPLERS, DATASETS, TRANSFORMS
from mmgtrack.structures.clip_sample import ClipSample

MAX_ATTEMPTS = 100
"""Redraws of one sample before the configuration is declared unusable."""

_OF_THE_MIXTURE = ('weight', 'identities')
"""What a source says beside the options of its reader."""


@DATASETS.register_module()
class ClipDataset:
    """Clip samples drawn from several readers; sample n depends on (seed, n) alone.

    ``dataset[n]`` takes any n >= 0 (EpochSampler counts n over the epochs) and returns
    ``dict(inputs={role: (3, H, W) uint8 BGR tensor}, data_samples=ClipSample)``. The sample's instances
    are the targets of the first role; in the other roles those of them that are to be seen there, so an
    empty role means "absent". A draw without target in the query, or without any in the last role though
    the draw was no negative, or whose pipeline returns None, or with an image that cannot be read, is redrawn
    from (seed, n, attempt) in the same source: the shares are the weights, however many clips of a source
    cannot be used. Where no draw serves, the DataError counts the reasons. The sample names the images that
    could not be read (``broken_images``).

    Args:
        sources: reader configs, each with an optional ``weight`` (share of samples; default 1). A clip is
            drawn uniformly inside its source. ``identities=W`` numbers the first W targets of each of its
            clips over all sources in their order, as classes of a re-id head; the others, and by default
            all (0), have the identity -1. ``num_identities`` counts them, also where a clip has fewer than W.
        num_samples: samples an epoch.
        pipelines: transforms by role. A transform finds ``img_path``, ``other_path`` (a frame of
            another clip or None), ``gt_bboxes`` (mmdet's HorizontalBoxes), ``gt_bboxes_labels`` (ids of
            the targets, which mmdet's transforms keep beside the boxes), ``gt_ignore_flags`` (True
            where a box has become too doubtful to be used) and ``sample_key`` (see ``SharedDraw``). A
            ``mask`` (h, w) that it sets goes into the sample's ``masks``. One that returns None gives the
            sample up.
        sampler: config of the sampler that draws frames and targets.
        roles: role names; the first names the targets.
        min_box_side: boxes with a smaller side after the pipeline are not used, in pixels.
        seed: seed of all samples.
    """

    METAINFO: Mapping[str, Any] = {'classes': ('object',)}

    def __init__(
        self,
        sources: Items[Mapping[str, Any]],
        num_samples: int,
        pipelines: Mapping[str, Items[Mapping[str, Any]]],
        sampler: Mapping[str, Any] | None = None,
        roles: Items[str] = ('query', 'search'),
        min_box_side: float = 2.0,
        seed: int = 0,
    ) -> None:
        if set(pipelines) != set(roles) or len(set(roles)) != len(roles):
            raise InputError(f'expected one pipeline per role {list(roles)}, got {list(pipelines)}')
        if num_samples < 1 or not sources:
            raise InputError(f'need num_samples >= 1 and a source, got {num_samples}, {len(sources)}')
        self.readers: list[Reader] = [_build_reader(source) for source in sources]
        self.source_names = [
            f'{type(reader).__name__} {source.get("root", "")}'.rstrip()
            for reader, source in zip(self.readers, sources, strict=True)
        ]
        self.identities = number_sources(self.readers, [source.get('identities', 0) for source in sources])
        self.weights = _normalised([float(source.get('weight', 1.0)) for source in sources])
        self.num_samples = num_samples
        self.roles = tuple(roles)
        self.pipelines = {role: _build_pipeline(pipelines[role]) for role in self.roles}
        self.sampler: FrameSampler = DATA_SAMPLERS.build(dict(sampler or {'type': 'mmgtrack.ClipSampler'}))
        self.min_box_side = min_box_side
        self.seed = seed

    @property
    def metainfo(self) -> dict[str, Any]:
        """What mmengine's visualizer and evaluator ask for."""
        return dict(self.METAINFO)

    @property
    def num_identities(self) -> int:
        """How many classes a re-id head needs for the identities of all sources."""
        return self.identities[-1].end

    def __len__(self) -> int:
        return self.num_samples

    def __getitem__(self, index: int) -> dict[str, Any]:
        if index < 0:
            raise IndexError(f'samples are numbered from 0, got {index}')
        source = self._source(np.random.default_rng((self.seed, index, 0)))
        refusals: list[Refusal] = []
        for attempt in range(MAX_ATTEMPTS):
            made = self._attempt(source, index, attempt)
            if not isinstance(made, Refusal):
                broken = {refusal.error.path: str(refusal.error) for refusal in refusals if refusal.error}
                made['data_samples'].set_metainfo(
                    {'broken_images': broken, 'source_name': self.source_names[source]}
                )
                return made
            refusals.append(made)
        raise DataError(no_sample(index, self.source_names[source], refusals))

    def _source(self, rng: np.random.Generator) -> int:
        return int(rng.choice(len(self.readers), p=self.weights))

    def _attempt(self, source: int, index: int, attempt: int) -> dict[str, Any] | Refusal:
        rng = np.random.default_rng((self.seed, index, attempt))
        if attempt == 0:
            self._source(rng)  # the draw that chose the source
        try:
            draw = self.sampler.draw(self._clips(source, rng).__next__, len(self.roles), rng)
            if isinstance(draw, Refusal):
                return draw
            results = self._results(draw, (self.seed, index, attempt))
        except FrameError as error:
            return Refusal('image that cannot be read', error=error)
        return results if isinstance(results, Refusal) else self._pack(index, draw, results)

    def _clips(self, source: int, rng: np.random.Generator) -> Iterator[Sequence]:
        """Random clips: the sample's own, of the source given, then others of any source."""
        while True:
            reader = self.readers[source]
            index = int(rng.integers(len(reader)))
            yield self.identities[source].number(reader[index], index)
            source = self._source(rng)

    def _results(self, draw: ClipDraw, sample_key: tuple[int, ...]) -> dict[str, RoleResult] | Refusal:
        """A result for each role, unless a pipeline gives the sample up or loses the query."""
        done: dict[str, RoleResult] = {}
        for position, (role, frame) in enumerate(zip(self.roles, draw.frames, strict=True), start=1):
            result = self._run(role, frame, sample_key, position)
            if isinstance(result, Refusal):
                return result
            done[role] = result
            if len(done[self.roles[0]].ids) == 0:
                return lost_targets(done, self.min_box_side)
        return done

    def _run(
        self, role: str, frame: RoleFrame, sample_key: tuple[int, ...], position: int
    ) -> RoleResult | Refusal:
        with seeded(*sample_key, position):
            transforms = self.pipelines[role].transforms
            return run_transforms(transforms, role_input(frame, sample_key), self.min_box_side)

    def _pack(self, index: int, draw: ClipDraw, results: dict[str, RoleResult]) -> dict[str, Any] | Refusal:
        """Join the roles, unless no target is left in the query, or in the last role."""
        doubtful = np.concatenate([result.doubtful for result in results.values()])
        targets = np.setdiff1d(results[self.roles[0]].ids, doubtful)
        instances = {role: result.instances(targets) for role, result in results.items()}
        if len(targets) == 0 or (len(instances[self.roles[-1]]) == 0 and not self._may_be_empty(draw)):
            return lost_targets(results, self.min_box_side)
        return {
            'inputs': {role: result.image for role, result in results.items()},
            'data_samples': self._sample(index, draw, results, instances),
        }

    def _may_be_empty(self, draw: ClipDraw) -> bool:
        """The last role shows no target by intent, not because a transform lost it."""
        return draw.negative or len(draw.frames[-1].ids) == 0

    def _sample(
        self,
        index: int,
        draw: ClipDraw,
        results: dict[str, RoleResult],
        instances: dict[str, InstanceData],
    ) -> ClipSample:
        frames = dict(zip(self.roles, draw.frames, strict=True))
        sample = join_roles(results, instances)
        sample.set_metainfo(
            {
                'source': {role: frame.path for role, frame in frames.items()},
                'clip': {role: frame.clip for role, frame in frames.items()},
                'frame': {role: frame.number for role, frame in frames.items()},
                'sample_index': index,
                'negative': draw.negative,
            }
        )
        return sample


def _build_reader(source: Mapping[str, Any]) -> Reader:
    reader: Reader = DATASETS.build({key: source[key] for key in source if key not in _OF_THE_MIXTURE})
    if len(reader) == 0:
        raise DataError(f'the source {source} holds no sequence')
    return reader


def _build_pipeline(pipeline: Items[Mapping[str, Any]]) -> Compose:
    return Compose([TRANSFORMS.build(dict(transform)) for transform in pipeline])


def _normalised(weights: list[float]) -> np.ndarray:
    total = sum(weights)
    if min(weights) < 0 or not total > 0:
        raise InputError(f'source weights must be >= 0 with a positive sum, got {weights}')
    return np.array(weights) / total
