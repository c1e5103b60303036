"""The contract that every tracker keeps, and its two forms.

``GlobalSearchTracker`` looks at whole frames, many at a time; only association is sequential.
``WindowTracker`` looks at a window around each target and goes frame by frame, over all targets of all
videos at once. docs/architecture.md section 2 has the rules; tests/test_contract.py checks them.
"""

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from mmengine.model import BaseModel
from torch import Tensor

from mmgtrack.errors import InputError, StateError
from mmgtrack.geometry import check_boxes, clip_boxes
from mmgtrack.models.data_preprocessor import ClipDataPreprocessor, View
from mmgtrack.models.layers.sample_draws import drawing_per_sample
from mmgtrack.models.pairs import Detections, Pairs
from mmgtrack.structures import Calibration, Candidates, State, Tracks

Frame = np.ndarray | Tensor
Clip = tuple[Sequence[Frame], State]

LARGEST_BOX = 100
"""Sides of a box in sides of the frame, beyond which a window around it cannot be meant."""


class BaseTracker(BaseModel, metaclass=ABCMeta):
    """encode once, track many: frames and a state in, tracks and a state out, nothing hidden.

    Attributes:
        state_type: the State subclass of this tracker.
        name, fingerprint: identity written into states; set by whoever builds the model.
        calibration: from the network's score to a probability and a decision.
        batch_frames: how many frames the tracker likes to get at a time.
        is_folded: whether it is prepared for inference and cannot be trained any more.
        inference_dtype: half precision that the network computes in, None for that of its weights.
        network_parts: the modules that may compute in half precision.
        compiled_parts: those whose forward method torch.compile takes.
    """

    state_type: ClassVar[type[State]] = State
    network_parts: ClassVar[Sequence[str]] = ()
    compiled_parts: ClassVar[Sequence[str]] = ()
    data_preprocessor: ClipDataPreprocessor

    name: str = ''
    fingerprint: str = ''
    calibration: Calibration = Calibration()
    batch_frames: int = 1
    is_folded: bool = False
    inference_dtype: torch.dtype | None = None

    @abstractmethod
    def encode(self, frame: Frame, boxes: Any) -> State:
        """State of M targets given by boxes (M, 4) xyxy pixels in a frame (H, W, 3) uint8 BGR."""

    @abstractmethod
    def track_many(self, clips: Sequence[Clip]) -> list[tuple[Tracks, State]]:
        """Track several videos; each is (frames, state) and comes back as (tracks, state)."""

    def track(self, frames: Sequence[Frame], state: State) -> tuple[Tracks, State]:
        """Tracks (N, M) of the state's M targets in N frames that follow it, and the state after them."""
        return self.track_many([(frames, state)])[0]

    def train(self, mode: bool = True) -> 'BaseTracker':
        """Raises InputError for a model on the fast path, whose norms are gone."""
        if mode and self.is_folded:
            raise InputError('a model on the fast path cannot be trained: build it with plain=True')
        return super().train(mode)

    def autocast(self) -> AbstractContextManager:
        """What inference runs in: layers that make numbers of their own then take them in half precision."""
        if self.inference_dtype is None:
            return nullcontext()
        return torch.autocast(self.data_preprocessor.mean.device.type, self.inference_dtype)

    def fold(self) -> None:
        """Precompute, in place and for inference only, what weights alone or a query alone decide."""

    def forward(self, inputs: dict, data_samples: list, mode: str = 'tensor') -> Any:
        """mmengine's entry: 'loss' gives a dict, 'predict' a list of Tracks, 'tensor' raw outputs."""
        if mode == 'loss':
            with drawing_per_sample(data_samples, self.data_preprocessor.mean.device):
                return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self._forward(inputs, data_samples)
        raise InputError(f"mode must be 'loss', 'predict' or 'tensor', got {mode!r}")

    def loss(self, inputs: dict, data_samples: list) -> dict:
        """Losses of a batch of clip samples. Raises InputError for a tracker that does not learn."""
        raise self._untrainable('loss')

    def predict(self, inputs: dict, data_samples: list) -> list[Tracks]:
        """Tracks (1, M) of each sample's targets in its search image, in that image's pixels."""
        raise self._untrainable('predict')

    def _forward(self, inputs: dict, data_samples: list) -> Any:
        """Raw outputs, for counting operations and for export."""
        raise self._untrainable('_forward')

    def judge(self, boxes: Tensor, scores: Tensor, valid: Tensor) -> Tracks:
        """Tracks of boxes (N, M, 4) and raw scores (N, M); not ``valid`` (N, M) ones score 0, not present."""
        probability = self.calibration(scores).where(valid, scores.new_zeros(()))
        return Tracks(boxes, probability, valid & (probability >= self.calibration.threshold))

    def _untrainable(self, method: str) -> InputError:
        return InputError(
            f'{type(self).__name__} tracks only: to train or export it, it needs the method {method}'
        )

    def _target_boxes(self, boxes: Any, size: tuple[int, int], dtype: torch.dtype | None = None) -> Tensor:
        """Checked boxes (M, 4) on the model's device, in its dtype or the given one."""
        like = self.data_preprocessor.mean
        try:
            # a copy: the state must not change with the caller's array
            tensor = torch.as_tensor(boxes, dtype=dtype or like.dtype, device=like.device).clone()
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(f'boxes must be (M, 4) numbers, got {boxes!r}') from error
        return check_boxes(tensor, size)

    def _own_state(self, state: Any) -> State:
        """The state on the model's device, after checking that it is one of this model's."""
        if not isinstance(state, State):
            raise StateError(f'track wants the state that encode returned, got {type(state).__name__}')
        state.check_same(self.state_type, self.name, self.fingerprint)
        return state.to(self.data_preprocessor.mean.device)


class GlobalSearchTracker(BaseTracker):
    """Search every frame as a whole. Subclasses say how to extract, encode and detect."""

    @abstractmethod
    def extract(self, images: Tensor) -> Any:
        """Target-free features of images (N, 3, H, W)."""

    @abstractmethod
    def encode_targets(self, features: Any, boxes: list[Tensor]) -> dict[str, Any]:
        """State fields of targets: ``boxes[n]`` (M_n, 4) network pixels in the n-th image."""

    @abstractmethod
    def detect(
        self,
        features: Any,
        targets: State,
        pairs: Pairs,
        views: Sequence[View],
    ) -> Detections:
        """Search P (frame, target) pairs at once: K boxes each, best first, in network pixels.

        features: of N frames; targets: the state of T targets; views: the N frames, to whose unpadded shape
        boxes are clipped. Pure, and without a loop over pairs.
        """

    def to_network(self, boxes: Tensor, view: View) -> Tensor:
        """Target boxes (M, 4) in frame pixels to network pixels, clipped to the frame."""
        return clip_boxes(boxes, view.size) * view.factors(boxes)

    def to_frame(self, boxes: Tensor, factors: Tensor) -> Tensor:
        """Boxes (P, K, 4) in network pixels to frame pixels; factors: (P, 4) of ``View.factors``."""
        return boxes / factors[:, None]

    @torch.no_grad()
    def encode(self, frame: Frame, boxes: Any) -> State:
        view = self.data_preprocessor.view(frame)
        targets = self._target_boxes(boxes, view.size)
        with self.autocast():
            features = self.extract(self.data_preprocessor.batch([view.image]))
            leaves = self.encode_targets(features, [self.to_network(targets, view)])
        return self.state_type(
            model=self.name,
            fingerprint=self.fingerprint,
            age=torch.zeros(len(targets), dtype=torch.long, device=targets.device),
            boxes=targets,
            **leaves,
        )

    @torch.no_grad()
    def track_many(self, clips: Sequence[Clip]) -> list[tuple[Tracks, State]]:
        states = [self._own_state(state) for _, state in clips]
        tracks: list[list[Tracks]] = [[] for _ in clips]
        for run in self._runs([(frames, state) for (frames, _), state in zip(clips, states, strict=True)]):
            for clip, found in self._search(run, states, self.detect).items():
                part, states[clip] = self.associate(found, states[clip])
                tracks[clip].append(part)
        return [
            (_joined(parts, state, self.data_preprocessor.mean), state)
            for parts, state in zip(tracks, states, strict=True)
        ]

    @torch.no_grad()
    def candidates(self, frames: Sequence[Frame], state: State) -> Candidates:
        """All candidates (N, M, K) of N >= 1 frames in frame pixels, before association."""
        return self._all_found(frames, state, self.detect)

    def associate(self, candidates: Candidates, state: State) -> tuple[Tracks, State]:
        """Choose one candidate a target and frame (frame pixels); default: the best, as GlobalTrack does.

        A frame without any finite candidate repeats the last box with score 0.
        """
        candidates = candidates.padded(1)
        usable = candidates.valid & candidates.scores.isfinite() & candidates.boxes.isfinite().all(-1)
        first = usable.int().argmax(2, keepdim=True)  # candidates are sorted: the first usable is the best
        best = candidates.boxes.take_along_dim(first[..., None], 2)[:, :, 0]
        scores, valid = (leaf.take_along_dim(first, 2)[..., 0] for leaf in (candidates.scores, usable))
        tracks = self.judge_history(best, scores, valid, state.boxes)
        return tracks, replace(state, boxes=tracks.boxes[-1], age=state.age + len(best))

    def judge_history(self, boxes: Tensor, scores: Tensor, valid: Tensor, last: Tensor) -> Tracks:
        """Tracks of boxes (N, M, 4) and raw scores (N, M); where not ``valid`` (N, M), the box before stays.

        last: (M, 4) boxes before the first frame.
        """
        history = torch.cat([last[None].to(boxes.dtype), boxes])
        rows = torch.arange(1, len(boxes) + 1, device=boxes.device)[:, None] * valid
        kept = history.gather(0, rows.cummax(0).values[..., None].expand(-1, -1, 4))
        return self.judge(kept, scores.where(valid, scores.new_zeros(())), valid)

    def _all_found(self, frames: Sequence[Frame], state: State, detect: Callable) -> Candidates:
        """What ``detect`` finds in N >= 1 frames, (N, M, K) in frame pixels."""
        state = self._own_state(state)
        parts = [self._search(run, [state], detect)[0] for run in self._runs([(frames, state)])]
        if not parts:
            raise InputError('expected at least one frame and one target, got none')
        return Candidates.cat(parts)

    def _runs(self, clips: Sequence[Clip]) -> Iterator[list[tuple[int, View]]]:
        """Consecutive frames, over all clips, that one pass can take: equal padded sizes, batch_frames."""
        run: list[tuple[int, View]] = []
        for owner, (frames, state) in enumerate(clips):
            for frame in frames if len(state) else ():
                view = self.data_preprocessor.view(frame)
                shape = self.data_preprocessor.padded(view.shape)
                same = not run or shape == self.data_preprocessor.padded(run[0][1].shape)
                if run and (not same or len(run) == self.batch_frames):
                    yield run
                    run = []
                run.append((owner, view))
        if run:
            yield run

    def _search(
        self, run: list[tuple[int, View]], states: Sequence[State], detect: Callable
    ) -> dict[int, Candidates]:
        """Candidates in frame pixels of each clip of a run; all pairs go through the heads at once."""
        views = [view for _, view in run]
        rows = {clip: [r for r, (owner, _) in enumerate(run) if owner == clip] for clip, _ in run}
        counts = [len(states[clip]) for clip in rows]
        targets = self.state_type.cat([states[clip] for clip in rows])
        pairs = Pairs.of_clips(list(rows.values()), counts, targets.age.device)
        with self.autocast():
            features = self.extract(self.data_preprocessor.batch([view.image for view in views]))
            found = detect(features, targets, pairs, views)
        factors = torch.stack([view.factors(found.boxes) for view in views])[pairs.frames]
        leaves = [self.to_frame(found.boxes, factors), *(leaf for leaf in found[1:] if leaf is not None)]
        sizes = [len(frames) * count for frames, count in zip(rows.values(), counts, strict=True)]
        parts = zip(*(leaf.split(sizes) for leaf in leaves), strict=True)
        return {
            clip: Candidates(*(leaf.unflatten(0, (-1, count)) for leaf in part))
            for clip, count, part in zip(rows, counts, parts, strict=True)
        }


@dataclass(frozen=True)
class WindowPrediction:
    """What was found in the windows of M targets.

    boxes: (M, 4) float64 xyxy frame pixels; scores: (M,) raw. details: whatever else ``update`` needs.
    """

    boxes: Tensor
    scores: Tensor
    details: Any = None

    @property
    def valid(self) -> Tensor:
        """(M,) bool: whether box and score are numbers."""
        return self.boxes.isfinite().all(-1) & self.scores.isfinite()


class WindowTracker(BaseTracker):
    """Search a window around each target, frame by frame: crop, predict, update.

    All targets of all videos go through ``predict_windows`` as one batch. A non-finite box repeats the last
    one with score 0. The state keeps boxes in double precision, because windows are rounded to whole pixels;
    tracks have the model's precision.
    """

    @abstractmethod
    def encode_targets(self, frame: Frame, boxes: Tensor) -> dict[str, Any]:
        """State fields of targets with checked boxes (M, 4) float64 xyxy in a frame (H, W, 3)."""

    @abstractmethod
    def crop(self, frames: Sequence[Frame], state: State) -> Any:
        """Windows of M targets; ``frames[m]`` is the frame of target m."""

    @abstractmethod
    def predict_windows(self, windows: Any, state: State) -> WindowPrediction:
        """Find the targets in their windows."""

    @abstractmethod
    def update(self, windows: Any, state: State, found: WindowPrediction) -> State:
        """The state after this frame, apart from ``boxes`` and ``age``, which the base sets.

        found: what ``predict_windows`` gave; only where it is ``valid`` may anything be learnt from it.
        """

    @torch.no_grad()
    def encode(self, frame: Frame, boxes: Any) -> State:
        size = self.data_preprocessor.check_frame(frame)
        targets = self._target_boxes(boxes, size, torch.float64)
        if bool(((targets[:, 2:] - targets[:, :2]) > LARGEST_BOX * max(size)).any()):
            raise InputError(
                f'boxes must be at most {LARGEST_BOX} times as large as the frame of {size[1]}x{size[0]} '
                f'pixels, got {targets.tolist()}'
            )
        return self.state_type(
            model=self.name,
            fingerprint=self.fingerprint,
            age=torch.zeros(len(targets), dtype=torch.long, device=targets.device),
            boxes=targets,
            **self.encode_targets(frame, targets),
        )

    @torch.no_grad()
    def track_many(self, clips: Sequence[Clip]) -> list[tuple[Tracks, State]]:
        states = [self._own_state(state) for _, state in clips]
        tracks: list[list[Tracks]] = [[] for _ in clips]
        for step in range(max((len(frames) for frames, _ in clips), default=0)):
            running = [c for c, (frames, _) in enumerate(clips) if step < len(frames) and len(states[c])]
            if not running:
                continue
            joint = self.state_type.cat([states[c] for c in running])
            images: list[Frame] = []
            for clip in running:
                images += [clips[clip][0][step]] * len(states[clip])
            found, joint = self._step(images, joint)
            counts = [len(states[c]) for c in running]
            boxes = joint.boxes.to(self.data_preprocessor.mean.dtype)
            leaves = (boxes, found.scores.where(found.valid, found.scores.new_zeros(())), found.valid)
            parts = zip(*(leaf[None].split(counts, dim=1) for leaf in leaves), strict=True)
            for clip, part, state in zip(running, parts, joint.split(counts), strict=True):
                tracks[clip].append(self.judge(*part))
                states[clip] = state
        return [
            (_joined(parts, state, self.data_preprocessor.mean), state)
            for parts, state in zip(tracks, states, strict=True)
        ]

    def _step(self, images: Sequence[Frame], state: State) -> tuple[WindowPrediction, State]:
        """One frame of every target: what was found, and the state after it."""
        windows = self.crop(images, state)
        found = self.predict_windows(windows, state)
        after = self.update(windows, state, found)
        boxes = found.boxes.where(found.valid[:, None], state.boxes)
        return found, replace(after, boxes=boxes, age=state.age + 1)

    def _own_state(self, state: Any) -> State:
        """In the model's precision, whichever model made it; boxes in double precision."""
        own = super()._own_state(state)
        return replace(own.to(self.data_preprocessor.mean.dtype), boxes=own.boxes.double())


def _joined(parts: list[Tracks], state: State, like: Tensor) -> Tracks:
    """The parts of one video's tracks in a row; (0, M) without any, of the precision of ``like``."""
    if parts:
        return Tracks.cat(parts)
    nothing = like.new_zeros((0, len(state)))
    return Tracks(like.new_zeros((0, len(state), 4)), nothing, nothing.bool())
