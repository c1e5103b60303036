"""How well do trackers find targets of each size?

    python tools/analysis/size_study.py globaltrack_mobilenetv2_lite mine=my.py,my.pth --pairs data/images
    python tools/analysis/size_study.py globaltrack_mobilenetv2_lite --videos lasot
    python tools/analysis/size_study.py globaltrack_mobilenetv2_lite --synthetic --sides 6,8,10,12,14,16

A tracker is [NAME=]CONFIG[,CHECKPOINT]. All are measured on the same clips: pairs of still images in which
the target has any size; the videos of a data set; or drawn clips in 640x480 frames. DATA is a data set, NAME
or NAME=ROOT where it does not lie below MMGTRACK_DATA or data/, or a folder.

A hit is a point inside the true box: the highest point of a tracker that has points, else the centre of its
box. table.md, table.json and plot.png in the folder of --out tell hit rate and success AUC by the size
sqrt(w*h) of the true box, with bounds of 95 % over clips and the chance level of a random point; whether AUC
goes with size (Spearman); and how many absent targets are judged absent. Bounds need clips of five images or
films. Started again, what has been measured is not measured again. A tracker that fails is named, as is a
clip that cannot be tracked; the others go on, and the exit status is 1 then.

The images of a pair show the target at places that have nothing to do with each other: a tracker that looks
into a window around the last box, such as STARK, does not see it there. Numbers of --pairs tell nothing of
it: measure it with --videos or --synthetic. A warning names a tracker that was trained on what is measured.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import mmgtrack  # noqa: F401  (the operator stand-in must be in place before mmdet is imported)
from mmgtrack import Tracker
from mmgtrack.apis.models import load_config
from mmgtrack.apis.size_study import measure_source, rows_path, trained_on
from mmgtrack.cli.tools import run_tool
from mmgtrack.countdown import Countdown
from mmgtrack.datasets.study_clips import (
    STILL_IMAGES,
    VIDEOS,
    DrawnClips,
    PairClips,
    StudySource,
    VideoClips,
    reader_of,
)
from mmgtrack.engine.manifest import imported_modules
from mmgtrack.errors import InputError, MMGTrackError, first_line
from mmgtrack.evaluation.size_bins import STUDY_BINS, SizeBins
from mmgtrack.evaluation.size_study import FrameRows, SizeSummary, as_dict, as_markdown, curve, summarise
from mmgtrack.files import replacing
from mmgtrack.formats.json_file import write_json
from mmgtrack.packaged_configs import find_weights
from mmgtrack.visualization.size_curves import panels_of, plot_by_size


@dataclass(frozen=True)
class Asked:
    """A tracker to measure."""

    name: str
    config: str
    checkpoint: str | None

    @classmethod
    def parse(cls, text: str) -> 'Asked':
        """``[NAME=]CONFIG[,CHECKPOINT]``."""
        name, _, rest = text.rpartition('=')
        config, _, checkpoint = rest.partition(',')
        name = name or Path(checkpoint or config).stem
        if not config or not name or '/' in name:
            raise argparse.ArgumentTypeError(f'expected [NAME=]CONFIG[,CHECKPOINT], got {text!r}')
        return cls(name if checkpoint else name.removesuffix('.py'), config, checkpoint or None)


def numbers(text: str) -> list[int]:
    """``6,8,10`` or ``0-9``, whole numbers above or at 0."""
    found: list[int] = []
    for part in text.split(','):
        first, _, last = part.partition('-')
        is_number = first.isdecimal() and (last or first).isdecimal()
        if not is_number or int(last or first) < int(first):
            raise argparse.ArgumentTypeError(f'expected numbers such as 6,8,10 or 0-9, got {text!r}')
        found += range(int(first), int(last or first) + 1)
    return found


def extent(text: str) -> tuple[int, int]:
    """``256,192``: long and short side."""
    found = numbers(text)
    if len(found) != 2 or not found[0] >= found[1] > 0:
        raise argparse.ArgumentTypeError(f'expected LONG,SHORT in pixels, got {text!r}')
    return found[0], found[1]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('trackers', metavar='TRACKER', type=Asked.parse, nargs='+', help='[NAME=]CONFIG[,CHECKPOINT]')
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        '--pairs', metavar='DATA', help='still images: a data set, or a folder in COCO format'
    )
    source.add_argument('--videos', metavar='DATA', help='videos: a data set, or a folder of sequences')
    source.add_argument('--synthetic', action='store_true', help='drawn clips')
    add('--num-pairs', metavar='N', type=int, default=1000, help='pairs to draw (default: %(default)s)')
    add('--canvas', metavar='LONG,SHORT', type=extent, default='256,192', help='size of pairs (%(default)s)')
    add('--seed', metavar='N', type=int, default=0, help='of the pairs (default: %(default)s)')
    add('--sequences', metavar='NAME', nargs='+', help='only these videos')
    add('--sides', metavar='N,N', type=numbers, default='6,8,10,12,14,16', help='of drawn targets, pixels')
    add('--seeds', metavar='FIRST-LAST', type=numbers, default='0-9', help='of drawn clips (%(default)s)')
    add(
        '--objects',
        metavar='N',
        type=int,
        default=8,
        help='in a drawn clip, all followed (default: %(default)s)',
    )
    add('--look-alikes', metavar='N', type=int, default=0, help='of the first object (default: %(default)s)')
    add('--bins', metavar='N,N', type=numbers, help='edges of sizes in pixels (default: 4,8,16, ... 256)')
    add('--out', metavar='DIR', type=Path, help='results (default: work_dirs/size_study_KIND)')
    add('--overwrite', action='store_true', help='measure anew what was measured before')
    add('--device', default='cpu', help='torch device (default: %(default)s)')
    return parser.parse_args()


def source_of(args: argparse.Namespace) -> StudySource:
    if args.synthetic:
        return DrawnClips(args.sides, args.seeds, args.objects, args.look_alikes)
    if args.pairs is not None:
        reader = reader_of(args.pairs, STILL_IMAGES)
        return PairClips(reader, args.num_pairs, args.canvas, args.seed)
    return VideoClips(reader_of(args.videos, VIDEOS), args.sequences)


def check(args: argparse.Namespace) -> None:
    names = [asked.name for asked in args.trackers]
    if len(set(names)) < len(names):
        raise InputError(f'trackers need names that differ, got {names}: say NAME=CONFIG,CHECKPOINT')
    if args.seed < 0:
        raise InputError(f'expected --seed >= 0, got {args.seed}')
    if args.sequences is not None and args.videos is None:
        raise InputError('--sequences names some of --videos, which is not given')


def check_trackers(all_asked: Sequence[Asked], source: StudySource) -> None:
    """Before the work. Raises ModelNotFoundError, and InputError for a checkpoint that is not there."""
    for asked in all_asked:
        config = load_config(asked.config)[1]
        if asked.checkpoint is not None and not Path(find_weights(asked.checkpoint)).is_file():
            raise InputError(f'{asked.name}: there is no checkpoint {asked.checkpoint}')
        for root in trained_on(config, source):
            print(f'warning: {asked.name} was trained on {root}, by its config: it knows what is measured')


def measure(
    asked: Asked, source: StudySource, args: argparse.Namespace, out: Path
) -> tuple[FrameRows, list[str]]:
    tracker = Tracker(asked.config, asked.checkpoint, args.device)
    path = rows_path(out / 'rows', asked.name, source)
    imports = imported_modules(load_config(asked.config)[1])
    report = Countdown(f'clips of {asked.name}')
    return measure_source(tracker, source, path, report, args.overwrite, imports)


def main() -> None:
    args = parse_args()
    check(args)
    bins = SizeBins(tuple(map(float, args.bins))) if args.bins is not None else STUDY_BINS
    source = source_of(args)
    check_trackers(args.trackers, source)
    kind = source.settings['kind']
    out = args.out or Path('work_dirs') / f'size_study_{kind}'
    found: dict[str, SizeSummary] = {}
    problems: list[str] = []
    for asked in args.trackers:
        try:
            rows, failed = measure(asked, source, args, out)
        except (MMGTrackError, RuntimeError) as error:  # such as a full GPU: the others go on
            problems.append(f'{asked.name}: {first_line(error)}')
            continue
        found[asked.name] = summarise(rows, bins)
        problems += [f'not tracked: {problem}' for problem in failed]
    if found:
        write(found, source, bins, args.trackers, out)
    for problem in dict.fromkeys(problems):
        print(problem)
    if problems:
        raise SystemExit(1)


def write(
    found: Mapping[str, SizeSummary],
    source: StudySource,
    bins: SizeBins,
    all_asked: Sequence[Asked],
    out: Path,
) -> None:
    """Table, numbers and plot."""
    text = as_markdown(found)
    with replacing(out / 'table.md') as file:
        file.write(text.encode())
    settings = {asked.name: dict(config=asked.config, checkpoint=asked.checkpoint) for asked in all_asked}
    write_json(
        dict(source=source.settings, bins=bins.edges, settings=settings, trackers=as_dict(found)),
        out / 'table.json',
    )
    first = next(iter(found.values()))
    plot_by_size(
        panels_of(lambda measure: {name: curve(each, measure) for name, each in found.items()}, first),
        f'{source.settings["kind"]}, {len(source.names)} clips, n = {first.total.frames}',
        out / 'plot.png',
    )
    print(f'{text}\n{out / "table.md"}, {out / "table.json"}, {out / "plot.png"}')


if __name__ == '__main__':
    run_tool(main)
