"""Which frames and which targets make one clip sample."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from mmgtrack.datasets.sequence import Sequence
from mmgtrack.errors import FrameError, InputError
from mmgtrack.registry import DATA_SAMPLERS

FOREIGN_ID = 1_000_000
"""Ids of targets of another clip start here, so that they never equal an id of the query."""

MAX_PICKS = 100
"""Clips that are looked at for the frame of another one, before the sample is given up."""

NO_OTHER_CLIP = 'negative without another clip to show'
"""Why a sample is given up then."""


@dataclass(frozen=True, eq=False)
class RoleFrame:
    """One frame to load: its file, (n, 4) float32 xyxy boxes, and (n,) int64 ids of their targets.

    ``other_path`` is a frame without any of the sample's targets, for transforms that mix pictures; ``clip``
    and ``number`` say where the frame comes from: a sequence by name, and the place in it from 0.
    ``identities``: (n,) int64 of the targets, see ``Sequence``; None: the sampler knows none.
    """

    path: str
    boxes: np.ndarray
    ids: np.ndarray
    other_path: str | None = None
    clip: str = ''
    number: int = 0
    identities: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class ClipDraw:
    """A frame for each role; ``negative`` where the last role is not to show any of the targets."""

    frames: tuple[RoleFrame, ...]
    negative: bool


@dataclass(frozen=True, eq=False)
class Refusal:
    """Why a draw makes no sample, in words without numbers of its own, so that equal reasons can be counted.

    ``clip``: the clip it is about; ``error``: the image that could not be read.
    """

    reason: str
    clip: Sequence | None = None
    error: FrameError | None = None


class FrameSampler(Protocol):
    """What ``ClipDataset`` draws frames with, see ``ClipSampler.draw``."""

    def draw(
        self, pick: Callable[[], Sequence], num_roles: int, rng: np.random.Generator
    ) -> ClipDraw | Refusal: ...


@DATA_SAMPLERS.register_module()
class ClipSampler:
    """Draws one frame for each role from a clip; the first role is the query that names the targets.

    A still image serves every role. From a video the query frame is drawn among those where a random
    target is present, the others among the frames at most ``max_gap`` away from it, without repeating a
    frame while there are others. Every target of the query frame that is labelled in all frames drawn
    takes part, at most ``max_instances`` of them.

    Args:
        max_gap: largest distance in frames between the query and another role (official GlobalTrack: 300).
        order: 'random', or 'forward': roles in time order (official GlobalTrack).
        visibility: 'all': the random target is present in every frame drawn; 'query': in the query frame,
            elsewhere it may be absent by its label, which teaches presence.
        negative_prob: probability that the last role is a frame of another clip, all targets absent.
        max_instances: targets a sample (official GlobalTrack: 8).
        other_clips: also draw a frame of another clip for transforms that mix pictures (``RandomZoom``).
    """

    def __init__(
        self,
        max_gap: int = 300,
        order: Literal['random', 'forward'] = 'random',
        visibility: Literal['all', 'query'] = 'all',
        negative_prob: float = 0.0,
        max_instances: int = 8,
        other_clips: bool = True,
    ) -> None:
        if order not in ('random', 'forward'):
            raise InputError(f"order must be 'random' or 'forward', got {order!r}")
        if visibility not in ('all', 'query'):
            raise InputError(f"visibility must be 'all' or 'query', got {visibility!r}")
        if not 0 <= negative_prob <= 1:
            raise InputError(f'negative_prob must be in [0, 1], got {negative_prob}')
        if max_gap < 1 or max_instances < 1:
            raise InputError(f'max_gap and max_instances must be >= 1, got {max_gap} and {max_instances}')
        self.max_gap = max_gap
        self.order = order
        self.visibility = visibility
        self.negative_prob = negative_prob
        self.max_instances = max_instances
        self.other_clips = other_clips

    def draw(
        self, pick: Callable[[], Sequence], num_roles: int, rng: np.random.Generator
    ) -> ClipDraw | Refusal:
        """Draw a clip sample, or say why the clip picked cannot serve (the caller tries again).

        pick: gives a random clip of the mixture; rng: the generator that ``pick`` draws from too.
        """
        clip = pick()
        frames = self._frames(clip, num_roles, rng)
        if isinstance(frames, Refusal):
            return frames
        negative = num_roles > 1 and rng.random() < self.negative_prob
        shared = clip.present[frames[0]] & clip.labelled[frames[:-1] if negative else frames].all(0)
        targets = _at_most(np.flatnonzero(shared), self.max_instances, rng)
        drawn = [_role_frame(clip, frame, targets) for frame in frames]
        if negative:
            other = self._other_frame(pick, clip, rng)
            if other is None:
                return Refusal(NO_OTHER_CLIP, clip)
            drawn[-1] = other
        if self.other_clips:
            shown = [frame.path for frame in drawn] + list(clip.frame_paths)
            drawn = [replace(frame, other_path=_other_path(pick, shown, rng)) for frame in drawn]
        return ClipDraw(tuple(drawn), negative)

    def _frames(self, clip: Sequence, num_roles: int, rng: np.random.Generator) -> list[int] | Refusal:
        """A frame index for each role, in the order of the roles."""
        seen = np.flatnonzero(clip.present.any(0))
        if len(seen) == 0:
            return Refusal('clip without a visible target', clip)
        target = rng.choice(seen)
        query = int(rng.choice(np.flatnonzero(clip.present[:, target])))
        usable = (clip.present if self.visibility == 'all' else clip.labelled)[:, target].copy()
        usable[query] = False
        others = np.flatnonzero(usable)
        others = others[np.abs(others - query) <= self.max_gap]
        if len(others) == 0:
            return [query] * num_roles
        drawn = rng.choice(others, num_roles - 1, replace=len(others) < num_roles - 1)
        frames = [query, *map(int, drawn)]
        if self.order == 'random':
            return frames
        frames.sort()
        # the first role must show the target; with visibility='query' the earliest frame may not
        if not clip.present[frames[0], target]:
            return Refusal('clip whose target is hidden in the earliest frame drawn', clip)
        return frames

    def _other_frame(
        self, pick: Callable[[], Sequence], clip: Sequence, rng: np.random.Generator
    ) -> RoleFrame | None:
        other = another_clip(pick, clip)
        if other is None:
            return None
        frame = int(rng.integers(len(other)))
        present = _at_most(np.flatnonzero(other.present[frame]), self.max_instances, rng)
        drawn = _role_frame(other, frame, present)
        return replace(drawn, ids=drawn.ids + FOREIGN_ID)


def another_clip(
    pick: Callable[[], Sequence], clip: Sequence, fits: Callable[[Sequence], bool] = bool
) -> Sequence | None:
    """The first clip picked that shows another video and fits; None where many picks find none.

    Not refused after a single pick: in small data sets negatives would be rarer than asked for.
    """
    for _ in range(MAX_PICKS):
        other = pick()
        if fits(other) and not other.shares_video(clip):
            return other
    return None


def _at_most(items: np.ndarray, limit: int, rng: np.random.Generator) -> np.ndarray:
    return items if len(items) <= limit else np.sort(rng.choice(items, limit, replace=False))


def _role_frame(clip: Sequence, frame: int, targets: np.ndarray) -> RoleFrame:
    """The frame with those of the targets that are present in it; the id of a target is its column."""
    shown = targets[clip.present[frame, targets]].astype(np.int64)
    return RoleFrame(
        clip.frame_paths[frame],
        clip.boxes[frame, shown],
        shown,
        clip=clip.name,
        number=frame,
        identities=clip.identities_of(shown),
    )


def _other_path(pick: Callable[[], Sequence], shown: list[str], rng: np.random.Generator) -> str | None:
    """A frame of a clip that shares no frame with ``shown``; None where a few picks find none."""
    for _ in range(5):
        other = pick()
        if not set(other.frame_paths).intersection(shown):
            return other.frame_paths[int(rng.integers(len(other)))]
    return None
