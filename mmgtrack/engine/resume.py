"""Which checkpoint a run goes on with, whatever was being written when it ended."""

import re
from pathlib import Path

from mmgtrack.checkpoint import load_checkpoint_file
from mmgtrack.errors import CheckpointError

PARTIAL = '.part'
"""Ends the name of a checkpoint that is being written."""

_NAME = re.compile(r'(epoch|iter)_(\d+)\.pth')


def last_complete_checkpoint(folder: str) -> tuple[str | None, str | None]:
    """The checkpoint that ``last_checkpoint`` names, or the newest older one that can be read.

    Returns its path, None where the folder has no checkpoint at all, and a line to be said where it is not
    the one that is named. Files that a killed run left half-written are removed. Raises CheckpointError
    where there are checkpoints and none can be read, or only such of other names that nothing points to.
    """
    try:
        return _last_complete(Path(folder))
    except OSError as error:
        raise CheckpointError(
            f'cannot look for checkpoints in {folder}: {error.strerror or error}; give one with --resume FILE'
        ) from error


def _last_complete(folder: Path) -> tuple[str | None, str | None]:
    for partial in folder.glob(f'*.pth{PARTIAL}'):
        partial.unlink(missing_ok=True)
    named, others = _named(folder), _numbered(folder)
    if named is None and not others:
        _refuse_other_names(folder)
        return None, None
    reasons = []
    for path in ([named] if named else []) + [path for path in others if _is_older(path, named)]:
        try:
            check_can_be_resumed(str(path))
        except CheckpointError as error:
            reasons.append(str(error))
            continue
        if path == named:
            return str(path), None
        why = reasons[0] if reasons else 'the file last_checkpoint is missing or empty'
        return str(path), f'RESUME: {why}; this run goes on with {path} instead'
    raise CheckpointError(
        f'nothing to resume in {folder}: {reasons[0]}, and no older checkpoint can be used; give another '
        'with --resume FILE, or start anew in another folder with --work-dir'
    )


def check_can_be_resumed(path: str) -> None:
    """Raises CheckpointError for a file that cannot be read or holds no state of a training run."""
    content = load_checkpoint_file(path)
    if 'message_hub' not in content or not {'epoch', 'iter'} <= content['meta'].keys():
        raise CheckpointError(f'{path} holds weights and no state of a training run: use it with --load-from')


def _refuse_other_names(folder: Path) -> None:
    """Names of the config's own do not say which checkpoint is the last; the best ones hold no optimiser."""
    for path in sorted(folder.glob('*.pth')):
        try:
            content = load_checkpoint_file(path)
        except CheckpointError:
            continue  # no checkpoint of a run
        if {'message_hub', 'optimizer'} <= content.keys():
            raise CheckpointError(
                f'{folder} has no file last_checkpoint, but checkpoints such as {path.name}: say which one '
                'to go on with by --resume FILE, or start anew in another folder with --work-dir'
            )


def _named(folder: Path) -> Path | None:
    """What ``last_checkpoint`` names; in the folder, where that has been moved or copied."""
    try:
        text = (folder / 'last_checkpoint').read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    if not text:
        return None
    here = folder / Path(text).name
    return here if here.is_file() or not Path(text).is_file() else Path(text)


def _numbered(folder: Path) -> list[Path]:
    """Checkpoints by descending number; of two kinds, that with the newest file first."""
    kinds: dict[str, list[tuple[int, Path]]] = {}
    for path in folder.iterdir():
        if found := _NAME.fullmatch(path.name):
            kinds.setdefault(found[1], []).append((int(found[2]), path))
    newest_first = sorted(kinds.values(), key=lambda kind: -max(p.stat().st_mtime_ns for _, p in kind))
    return [path for kind in newest_first for _, path in sorted(kind, reverse=True)]


def _is_older(path: Path, named: Path | None) -> bool:
    """Whether it comes before the named one, as far as their names tell."""
    first, second = _NAME.fullmatch(path.name), _NAME.fullmatch(named.name) if named else None
    if first is None or second is None or first[1] != second[1]:
        return path != named
    return int(first[2]) < int(second[2])
