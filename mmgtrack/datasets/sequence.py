"""What every reader yields: one video, or one still image, with the boxes of its targets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np

from mmgtrack.datasets.film import read_film_frame, split_film_path
from mmgtrack.datasets.image_files import read_whole_image
from mmgtrack.errors import DataError, FrameError

NO_IDENTITY = -1
"""Of a target that is not numbered: it may be any object."""


@dataclass(frozen=True, eq=False)
class Sequence:
    """Frames and labels of one video with F frames and M targets; a still image is a video of one frame.

    - ``name``: unique inside its reader.
    - ``frame_paths``: F paths for ``read_frame`` in time order.
    - ``boxes``: (F, M, 4) float32 xyxy pixels of the stored frame, nan where there is no box. They may
      reach over the border.
    - ``present``: (F, M) bool, True where the target is visible and has a box.
    - ``labelled``: (F, M) bool, True where ``present`` is known; ``~present & labelled`` is true absence,
      ``~labelled`` a frame that neither training nor evaluation should count for this target.
    - ``video``: the film it is cut from, by default itself; two sequences of one film may show the same
      objects, so neither serves as a picture without the other's targets.
    - ``filtered``: how many frames each rule of a ``FrameFilter`` took their box from.
    - ``identities``: (M,) int64 numbers of the targets over all clips of a training set, -1 where a target
      has none; None: none has. Readers know one data set only: ``ClipDataset`` numbers.
    """

    name: str
    frame_paths: tuple[str, ...]
    boxes: np.ndarray
    present: np.ndarray
    labelled: np.ndarray
    video: str = ''
    filtered: Mapping[str, int] = field(default_factory=dict)
    identities: np.ndarray | None = None

    def __post_init__(self) -> None:
        shape = (len(self.frame_paths), self.num_targets)
        if self.boxes.shape != (*shape, 4) or self.labelled.shape != shape:
            raise DataError(
                f'sequence {self.name}: {shape[0]} frames and {shape[1]} targets, but boxes '
                f'{self.boxes.shape} and labelled {self.labelled.shape}'
            )

    def __len__(self) -> int:
        return len(self.frame_paths)

    def shares_video(self, other: 'Sequence') -> bool:
        """Whether both may show the same objects."""
        same_film = bool(self.video) and self.video == other.video
        return same_film or not set(self.frame_paths).isdisjoint(other.frame_paths)

    def identities_of(self, targets: np.ndarray) -> np.ndarray:
        """(n,) int64 identities of targets by column (n,)."""
        if self.identities is None:
            return np.full(len(targets), NO_IDENTITY, dtype=np.int64)
        return self.identities[targets]

    @property
    def num_targets(self) -> int:
        """M, the number of targets annotated in these frames."""
        return int(self.present.shape[1])


class Reader(Protocol):
    """A data set as a list of sequences; reading one must not change the reader's answers.

    names: of the sequences. ``num_frames`` says how long one is without reading its annotation, where there
    is a cheaper way; 0 for one that cannot be read. ``flaws``: what is wrong with its files though it can be
    read.
    """

    @property
    def names(self) -> list[str]: ...

    def num_frames(self, index: int) -> int: ...

    def flaws(self, index: int) -> list[str]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sequence: ...


def read_frame(path: str, *, whole: bool = False) -> np.ndarray:
    """Decode an image file, or a frame of a film (``video.mp4#17``), to (H, W, 3) uint8 BGR.

    The EXIF orientation is ignored, because annotations are made on the stored pixels. Raises FrameError
    that names the file where it is missing or unreadable. Of a JPEG file that is cut off, OpenCV makes up the
    rest in grey. Published results count such frames, so evaluation takes them as they come; with ``whole``,
    for training, they are unreadable too.
    """
    film = split_film_path(path)
    if film is not None:
        try:
            return read_film_frame(*film)
        except DataError as error:
            raise FrameError(str(error), path) from error
    if whole:
        return read_whole_image(path)
    try:
        image = cv2.imread(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:  # such as more pixels than OpenCV takes
        raise FrameError(f'cannot read the image {path}: {error.err or "OpenCV refuses it"}', path) from error
    if image is None:
        raise FrameError(f'cannot read the image {path}: the file is missing or damaged', path)
    return image
