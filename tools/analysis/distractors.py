"""Does association keep a tracker on its target among look-alikes? Four choices among the same candidates.

    python tools/analysis/distractors.py dmtrack_mobilenetv2_lite my.pth --seeds 100-159 --plot bars.png
    python tools/analysis/distractors.py dmtrack_mobilenetv2_lite my.pth --sequences data/sequences/val

The detector runs once a clip. Its candidates then go to (a) the best score, (b) re-id: score and likeness to
the first frame's embedding, (c) association, (d) association without embeddings; trackers without embeddings
have (a) and (d) only. Clips are drawn from seeds, with all objects annotated; or read from a folder of
sequences, where nobody annotated what resembles the target, so that distractors are not counted.

HOTA and IDF1 compare all tracklets with all objects. (a) and (b) have the target's track only, which bounds
theirs. --set changes thresholds of the association, --grid tries several values of some; candidates are kept
in --cache, so that both take seconds once a clip has been searched.
"""

import argparse
import csv
import io
import re
from collections.abc import Iterator
from collections.abc import Sequence as Items
from dataclasses import asdict, dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmgtrack import Tracker
from mmgtrack.apis.candidate_cache import CandidateCache
from mmgtrack.association import AssociationRules
from mmgtrack.cli.config_values import ConfigValues
from mmgtrack.cli.tables import percent, print_table
from mmgtrack.cli.tools import run_tool
from mmgtrack.countdown import Countdown
from mmgtrack.datasets import SequenceFolder, look_alike_clip, read_frame
from mmgtrack.errors import InputError
from mmgtrack.evaluation.bootstrap import mean_with_bounds
from mmgtrack.evaluation.choices import Choice, Ways, choices
from mmgtrack.evaluation.distractors import (
    fewer_with_bounds,
    target_outcome,
    tracklet_scores,
)
from mmgtrack.files import check_target, replacing
from mmgtrack.formats.json_file import write_json
from mmgtrack.structures import Calibration
from mmgtrack.visualization.bars import BarPanel, plot_bars
from mmgtrack.visualization.figures import check_suffix

NAN = float('nan')
PREFIX = 'association.'


@dataclass(frozen=True, eq=False)
class Clip:
    """F frames, and (F, M, 4) boxes of all annotated objects, the target first, nan where absent."""

    name: str
    frames: Items[np.ndarray]
    boxes: np.ndarray


@dataclass(frozen=True)
class Row:
    """One way to choose on one clip. Shares of frames, but switches, which are counted; nan where unknown."""

    clip: str
    way: str
    on_distractor: float
    claimed_distractor: float
    switches: float
    on_target: float
    away: float
    auc: float
    presence_right: float
    hota: float
    idf1: float


MEASURES = [field.name for field in fields(Row)][2:]
Means = dict[str, dict[str, tuple[float, float, float]]]  # by choice and measure: mean, low, high
PANELS = {
    'on_distractor': 'frames on a distractor, %',
    'switches': 'switches a clip',
    'on_target': 'frames on the target, %',
    'auc': 'success AUC, %',
}


def drawn_clips(seeds: Items[int], look_alikes: int) -> Iterator[Clip]:
    for seed in seeds:
        clip = look_alike_clip(seed, look_alikes)
        yield Clip(f'seed {seed}', clip.frames, clip.boxes)


def read_clips(data: SequenceFolder) -> Iterator[Clip]:
    """Every target that a first frame shows, the only object that is annotated."""
    for sequence in data:
        frames = [read_frame(path) for path in sequence.frame_paths]
        for target in np.flatnonzero(sequence.present[0]):
            name = f'{sequence.name}#{target + 1}' if sequence.num_targets > 1 else sequence.name
            yield Clip(name, frames, sequence.boxes[:, target : target + 1])


def believed(tracker: Tracker, choice: Choice) -> np.ndarray:
    """(F,) bool, whether the target is said to be there: what is taken for it.

    Of a calibrated model, what tracking calls present: there the threshold tells guesses from the target.
    """
    calibration = tracker.model.calibration
    if calibration == Calibration():  # nobody fitted one
        return choice.taken
    likely = calibration(torch.from_numpy(choice.scores)).numpy() >= calibration.threshold
    return likely & (choice.scores > 0)


def measure(tracker: Tracker, clip: Clip, way: str, choice: Choice) -> Row:
    """All numbers of one way to choose on one clip."""
    truth = clip.boxes[1:]
    outcome = target_outcome(choice.boxes, believed(tracker, choice), truth)
    all_known = truth.shape[1] > 1
    hota, idf1 = tracklet_scores(choice.tracklets, truth) if all_known else (NAN, NAN)
    frames, shown = outcome.num_frames, outcome.shown or NAN
    return Row(
        clip=clip.name,
        way=way,
        on_distractor=outcome.on_distractor / frames if all_known else NAN,
        claimed_distractor=outcome.claimed_distractor / frames if all_known else NAN,
        switches=outcome.switches if all_known else NAN,
        on_target=outcome.on_target / shown,
        away=outcome.away / shown,
        auc=outcome.auc,
        presence_right=outcome.presence_right / frames,
        hota=hota,
        idf1=idf1,
    )


def compare(cache: CandidateCache, clips: Iterator[Clip], total: int, ways: Ways) -> list[Row]:
    """Search every clip once, and choose in every way."""
    report, rows = Countdown('clips'), []
    for done, clip in enumerate(clips, start=1):
        found = cache.search(clip.frames, clip.boxes[0, 0])
        rows += [measure(cache.tracker, clip, name, way(found)) for name, way in ways.items()]
        report(done, max(total, done))
    return rows


def changed(rules: AssociationRules, values: dict[str, Any]) -> AssociationRules:
    """Rules with other values, by ``association.NAME``. Raises InputError for a name that is none."""
    foreign = [key for key in values if not key.startswith(PREFIX)]
    if foreign:
        raise InputError(f'expected {PREFIX}NAME=VALUE, got {foreign[0]}')
    return AssociationRules.of(asdict(rules) | {key[len(PREFIX) :]: v for key, v in values.items()})


def asked_ways(args: argparse.Namespace, rules: AssociationRules, has_embeddings: bool) -> Ways:
    """The four ways; with --grid, association under every combination of the values."""
    if not args.grid:
        return choices(rules, args.weight, has_embeddings=has_embeddings)
    best = 'association' if has_embeddings else 'association without re-id'
    ways = {}
    for values in product(*(v if isinstance(v, list) else [v] for v in args.grid.values())):
        tried = dict(zip(args.grid, values, strict=True))
        name = ' '.join(f'{key[len(PREFIX) :]}={value}' for key, value in tried.items())
        ways[name] = choices(changed(rules, tried), args.weight, has_embeddings=has_embeddings)[best]
    return ways


def column(rows: Items[Row], way: str, measure: str) -> np.ndarray:
    """(n,) values of the clips."""
    return np.array([getattr(row, measure) for row in rows if row.way == way], float)


def summary(rows: Items[Row]) -> Means:
    """(mean, low, high) of every measure by way; and by how much fewer frames than top-1 it loses."""
    names = list(dict.fromkeys(row.way for row in rows))
    means = {n: {m: mean_with_bounds(column(rows, n, m)) for m in MEASURES} for n in names}
    for name in names if 'top-1' in names else ():
        first, second = (column(rows, way, 'on_distractor') for way in ('top-1', name))
        means[name]['fewer_than_top_1'] = fewer_with_bounds(first, second)
    return means


def print_means(means: Means, clips: int) -> None:
    """A row for every measure, a column for every choice."""
    rows = [[m.replace('_', ' '), *(with_bounds(m, *of[m]) for of in means.values())] for m in known(means)]
    print(f'mean of {clips} clips and its bounds of 95 %, in percent; switches are counted')
    print_table(['', *means], rows)


def print_grid(means: Means, clips: int) -> None:
    """A row for every combination of thresholds, those with the fewest frames on a distractor first."""
    names = sorted(means, key=lambda name: (means[name]['on_distractor'][0], -means[name]['auc'][0]))
    rows = [[name, *(cell(m, means[name][m][0]) for m in known(means))] for name in names]
    print(f'mean of {clips} clips, in percent; switches are counted')
    print_table(['association', *(m.replace('_', ' ') for m in known(means))], rows)


def known(means: Means) -> list[str]:
    """Measures that have a value for some choice."""
    measures = next(iter(means.values()))
    return [m for m in measures if any(np.isfinite(of[m][0]) for of in means.values())]


def with_bounds(measure: str, value: float, low: float, high: float) -> str:
    return f'{cell(measure, value)} [{cell(measure, low)}, {cell(measure, high)}]'


def print_clips(rows: Items[Row]) -> None:
    shown = [m for m in MEASURES if any(np.isfinite(getattr(row, m)) for row in rows)]
    cells = [[row.clip, row.way, *(cell(m, getattr(row, m)) for m in shown)] for row in rows]
    print_table(['clip', 'choice', *(m.replace('_', ' ') for m in shown)], cells)


def cell(measure: str, value: float) -> str:
    return percent(value, is_absolute=measure == 'switches')


def write_csv(rows: Items[Row], path: Path) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Row)], lineterminator='\n')
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def draw(means: Means, title: str, path: Path) -> None:
    """Those of PANELS that are known."""
    panels = []
    for measure, label in PANELS.items():
        scale = 1 if measure == 'switches' else 100
        bars = {name: tuple(scale * value for value in of[measure]) for name, of in means.items()}
        if np.isfinite([value for value, _, _ in bars.values()]).all():
            panels.append(BarPanel(label.partition(',')[0], label, bars))
    plot_bars(panels, title, path)


def seed_range(text: str) -> list[int]:
    """``'100-159'`` or ``'7'``."""
    found = re.fullmatch(r'(\d+)(?:-(\d+))?', text)
    if found is None or int(found[2] or found[1]) < int(found[1]):
        raise argparse.ArgumentTypeError(f'expects a seed or FIRST-LAST, got {text!r}')
    return list(range(int(found[1]), int(found[2] or found[1]) + 1))


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='model name or config file')
    parser.add_argument('checkpoint', nargs='?', help='weights; default those shipped for the name')
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        '--seeds', type=seed_range, default='100-159', help='clips to draw, FIRST-LAST (default: %(default)s)'
    )
    source.add_argument('--sequences', metavar='ROOT', help='folder of sequences instead of drawn clips')
    parser.add_argument('--include', metavar='NAME', nargs='+', help='folders in ROOT to take; default all')
    parser.add_argument(
        '--look-alikes', type=int, default=3, metavar='N', help='in a drawn clip (default: %(default)s)'
    )
    parser.add_argument(
        '--weight', type=float, default=0.5, help='of likeness in choice (b) (default: %(default)s)'
    )
    thresholds = dict(metavar='association.NAME=VALUE', nargs='+', action=ConfigValues, default={})
    parser.add_argument('--set', **thresholds, help='other thresholds of the association')
    parser.add_argument('--grid', **thresholds, help='association under every combination of V1,V2,...')
    parser.add_argument('--cache', metavar='DIR', type=Path, help='keep candidates of searched clips here')
    parser.add_argument('--json', metavar='FILE', type=Path, help='write means and every clip')
    parser.add_argument('--csv', metavar='FILE', type=Path, help='write a line for every clip and choice')
    parser.add_argument('--plot', metavar='FILE', type=Path, help='draw the means: .png, .svg or .pdf')
    parser.add_argument('--device', default='cpu', help='torch device (default: %(default)s)')
    return parser.parse_args()


def check(args: argparse.Namespace) -> None:
    """Rather before the work than after it."""
    if args.look_alikes < 1 or not 0 <= args.weight <= 1:
        raise InputError(
            f'expected --look-alikes >= 1 and --weight in [0, 1], got {args.look_alikes} and {args.weight}'
        )
    if args.include is not None and args.sequences is None:
        raise InputError('--include names folders of --sequences, which is not given')
    if args.plot is not None:
        check_suffix(args.plot)
    for path in filter(None, (args.json, args.csv, args.plot)):
        check_target(path)


def main() -> None:
    args = parse_args()
    check(args)
    if args.sequences is None:
        clips, total = drawn_clips(args.seeds, args.look_alikes), len(args.seeds)
    else:
        data = SequenceFolder(args.sequences, include=args.include)
        clips, total = read_clips(data), len(data)
    tracker = Tracker(args.config, args.checkpoint, args.device)
    own = getattr(tracker.model, 'association', None)
    rules = changed(own if isinstance(own, AssociationRules) else AssociationRules(), args.set)
    has_embeddings = getattr(tracker.model, 're_id_head', None) is not None
    ways = asked_ways(args, rules, has_embeddings)
    rows = compare(CandidateCache(tracker, args.cache), clips, total, ways)
    means, count = summary(rows), len({row.clip for row in rows})
    if args.grid:
        print_grid(means, count)
    else:
        if args.sequences is not None:
            print_clips(rows)
            print()
        print_means(means, count)
    if args.csv is not None:
        write_csv(rows, args.csv)
    if args.json is not None:
        settings = dict(model=tracker.model.name, checkpoint=args.checkpoint, weight=args.weight)
        report = dict(settings, rules=asdict(rules), means=means, clips=[asdict(row) for row in rows])
        write_json(report, args.json)
    if args.plot is not None:
        draw(means, f'{tracker.model.name}, {count} clips', args.plot)


if __name__ == '__main__':
    run_tool(main)
