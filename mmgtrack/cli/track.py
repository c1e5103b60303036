"""``mmgtrack track SOURCE --box X,Y,W,H``: track targets through a source and write what was found."""

import argparse
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmgtrack.cli.boxes import check_overlap, parse_box
from mmgtrack.errors import InputError
from mmgtrack.interrupt import InterruptGuard

if TYPE_CHECKING:
    from mmgtrack.apis import Frame, FrameReader
    from mmgtrack.apis.tracker import Tracker
    from mmgtrack.cli.output_files import ResultFiles
    from mmgtrack.cli.window import Window
    from mmgtrack.progress import TrackProgress
    from mmgtrack.structures import Tracks

_EXIT_INTERRUPTED = 130


def add_parser(subparsers: Any) -> None:
    """Declare the command and its options."""
    parser = subparsers.add_parser(
        'track', help='track objects through a video', description='Track objects through a video.'
    )
    add = parser.add_argument
    add(
        'source',
        metavar='SOURCE',
        help="video, folder of images, 'glob*.jpg', camera number, rtsp://... or http://...",
    )
    add(
        '--box',
        metavar='X,Y,W,H',
        action='append',
        default=[],
        help='a target in the start frame: left, top, width, height in pixels; repeat it for more targets',
    )
    add('--start-frame', metavar='K', type=int, default=0, help='frame the boxes belong to (default: 0)')
    add(
        '--model',
        metavar='NAME',
        help='a name that `mmgtrack models` lists, or the path of a config (default: the included one)',
    )
    add('--checkpoint', metavar='FILE', help="weights to use instead of the model's own")
    add('--device', metavar='D', default='cpu', help='cpu, cuda, cuda:1, ... (default: cpu)')
    add(
        '--precision',
        choices=('float32', 'bfloat16', 'float16'),
        default='float32',
        help='what the network computes in; half precision can be faster and moves boxes',
    )
    add('--compile', action='store_true', help='torch.compile: faster after a minute or so, for long videos')
    add('--out', metavar='DIR', type=Path, help='folder for the results (default: a new SOURCE_tracks)')
    add('--no-video', dest='video', action='store_false', help='write the rows only')
    add('--show', action='store_true', help='show the frames in a window; q quits')
    add(
        '--live',
        choices=('newest', 'every'),
        default='newest',
        help='frames of a camera or stream: the newest, or every one (default: newest)',
    )
    add('--quiet', action='store_true', help='print errors and warnings only')


def run(args: argparse.Namespace) -> int:
    """Check everything, then track; nothing is created before all that can be checked is right."""
    from mmgtrack.cli.output_folder import check_folder, check_not_source, default_folder

    boxes = [parse_box(text) for text in args.box]
    if not boxes:
        raise InputError('no target given; expected at least one --box X,Y,W,H')
    if args.start_frame < 0:
        raise InputError(f'--start-frame must be 0 or more, got {args.start_frame}')
    folder = check_folder(args.out or default_folder(args.source), len(boxes), video=args.video)
    check_not_source(folder, args.source, len(boxes), video=args.video)
    _silence_decoders()
    from mmgtrack.apis import FrameReader, open_source
    from mmgtrack.apis.results import require_av

    if args.video:
        require_av()
    source = open_source(args.source)
    with FrameReader(source, args.start_frame, args.live) as reader:
        return _track(args, boxes, folder, reader)


def _track(
    args: argparse.Namespace,
    boxes: list[tuple[float, float, float, float]],
    folder: Path,
    reader: 'FrameReader',
) -> int:
    from mmgtrack.apis.streaming import check_start_boxes, track_reader
    from mmgtrack.cli.output_files import ResultFiles
    from mmgtrack.progress import TrackProgress

    source = reader.source
    start = next(reader)
    check_overlap(args.box, start.image.shape[:2])
    check_start_boxes(boxes, start)
    window = _open_window() if args.show else None
    results = track_reader(_build_tracker(args), reader, start, boxes)
    first = next(results)  # the targets are encoded: from here on, something will be written

    total = None if source.num_frames is None else source.num_frames - args.start_frame
    progress = TrackProgress(total, is_estimate=source.is_estimate, quiet=args.quiet)
    summary = _Summary()
    with InterruptGuard(reader.stop) as guard:
        files = ResultFiles(folder, len(boxes), video=args.video, fps=source.fps)
        try:
            _write(chain([first], results), files, window, progress, guard, summary)
        finally:
            if not args.quiet:
                summary.show(files, progress)
    return _EXIT_INTERRUPTED if summary.interrupted else 0


@dataclass
class _Summary:
    """What happened so far."""

    num_boxes: int = 0
    num_present: int = 0
    interrupted: bool = False

    def show(self, files: 'ResultFiles', progress: 'TrackProgress') -> None:
        for path in files.paths:
            if path.exists():
                print(path)
        share = 100 * self.num_present / max(self.num_boxes, 1)
        verb = 'interrupted after' if self.interrupted else 'tracked'
        print(f'{verb} {progress.num_frames} frames, present in {share:.0f} %, {progress.fps:.1f} fps')


def _write(
    results: Iterable[tuple['Frame', 'Tracks']],
    files: 'ResultFiles',
    window: 'Window | None',
    progress: 'TrackProgress',
    guard: InterruptGuard,
    summary: _Summary,
) -> None:
    """Hand every result to the files, and finish these whatever happens."""
    try:
        with progress:
            for frame, tracks in results:
                with guard.held():
                    files.put(frame, tracks)
                    progress.advance()
                    summary.num_boxes += tracks.num_targets
                    summary.num_present += int(tracks.present.sum())
                if window is not None:
                    window.put(frame, tracks)
                    if window.closed:
                        break
    except KeyboardInterrupt:
        summary.interrupted = True
    finally:
        summary.interrupted |= guard.requested
        with suppress(KeyboardInterrupt), guard.held():
            files.close()
            if window is not None:
                window.close()


def _build_tracker(args: argparse.Namespace) -> 'Tracker':
    from mmgtrack.apis import Tracker

    named = {'model': args.model} if args.model else {}
    return Tracker(
        **named,
        checkpoint=args.checkpoint,
        device=args.device,
        precision=args.precision,
        compile=args.compile,
    )


def _open_window() -> 'Window':
    from mmgtrack.cli.window import Window

    return Window()


def _silence_decoders() -> None:
    """What FFmpeg and OpenCV print on stderr repeats our one line in many; the user's settings win."""
    import cv2

    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')  # AV_LOG_QUIET
    if 'OPENCV_LOG_LEVEL' not in os.environ:
        cv2.setLogLevel(0)  # silent
