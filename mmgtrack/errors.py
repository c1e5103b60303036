"""Typed errors.

Every error a user can cause is one of these: one line that says what was expected, what came, and what
to do. The command line prints that line and exits with status 2.
"""

import traceback


class MMGTrackError(Exception):
    """Root of every error that mmgtrack raises on purpose."""


class InputError(MMGTrackError, ValueError):
    """A value given by the caller does not fit: a box, a frame, an option."""


class SourceError(MMGTrackError, OSError):
    """A video, folder, camera or stream cannot be opened or read."""


class OutputError(MMGTrackError, OSError):
    """A result cannot be written."""


class DataError(MMGTrackError, ValueError):
    """An annotation file or a data folder is not what its format asks for."""


class FrameError(DataError):
    """An image file is missing, cut off or otherwise unreadable; the message names it.

    ``path``: the file, empty where the error comes from another process.
    """

    def __init__(self, message: str, path: str = '') -> None:
        super().__init__(message)
        self.path = path


class WorkerError(MMGTrackError, RuntimeError):
    """A process that loads data has died, or has not answered for too long."""


class ModelNotFoundError(MMGTrackError, LookupError):
    """A model name or config is unknown; the message lists the nearest names."""


class CheckpointError(MMGTrackError, RuntimeError):
    """A checkpoint is corrupted, unsafe, or belongs to another architecture."""


class StateError(MMGTrackError, ValueError):
    """A tracking state is corrupted or belongs to another model."""


class OperatorError(MMGTrackError, NotImplementedError):
    """A compiled operator was called that neither mmcv nor the stand-in offers here."""


class ImportOrderError(MMGTrackError, ImportError):
    """mmdet was imported before mmgtrack although mmcv has no compiled operators."""


class MissingDependencyError(MMGTrackError, ImportError):
    """A package that this function needs is not installed."""


def first_line(error: BaseException) -> str:
    """Type and text of anyone's error, in one line; without text, as asserts are, the code that raised it."""
    text = (str(error).strip().splitlines() or [''])[0]
    if not text and error.__traceback__ is not None:
        text = traceback.extract_tb(error.__traceback__)[-1].line or ''
    return f'{type(error).__name__}: {text}'
