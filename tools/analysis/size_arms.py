"""The experiments of the small-object tracking note: train every arm, measure it by the size of its targets.

    python tools/analysis/size_arms.py --seeds 0 1 2 --device cuda
    python tools/analysis/size_arms.py --experiments sizes points --steps 50 --out quick --work-dir quick

Experiments are in size_tables.py, or in the file of --tables. All arms are trained with the first seed, then
all with the next; each is measured on the same pairs of still images, which its training must not have (and
on --videos). After each, EXPERIMENT_KIND.md, .json and .png in --out are written anew: hit rate and AUC by
size, with the number of pairs and seeds and the spread over the seeds.

Started again, it does nothing twice that was finished: neither trainings nor clips that were measured. A
training that was cut off before its first checkpoint, which these have at their end, starts anew. A folder
that was trained by another config, code or device is refused. Tables have all seeds that --work-dir has.
Several processes may be started on the same folders: a run belongs to the one that has locked it, until that
ends, however it ends. An arm that fails is named, the others go on, and the exit status is 1. OMP_NUM_THREADS
and the like are handed on to the trainings.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmgtrack  # noqa: F401  (the operator stand-in must be in place before mmdet is imported)
from mmgtrack.apis.arm_queue import Plan, Run, digest_of, do_run, locked, results, seeds_found
from mmgtrack.apis.models import load_config
from mmgtrack.cli.tools import run_tool
from mmgtrack.datasets.data_root import default_data_folder
from mmgtrack.datasets.study_clips import STILL_IMAGES, VIDEOS, PairClips, StudySource, VideoClips, reader_of
from mmgtrack.errors import DataError, InputError, MMGTrackError
from mmgtrack.evaluation.arm_table import Seeds, as_dict, as_markdown, by_seed, curve
from mmgtrack.evaluation.size_study import FrameRows
from mmgtrack.files import replacing
from mmgtrack.formats.json_file import write_json
from mmgtrack.packaged_configs import PREFIX, find_config, run_config, suggest
from mmgtrack.visualization.size_curves import panels_of, plot_by_size

TABLES = Path(__file__).with_name('size_tables.py')


@dataclass(frozen=True)
class Experiment:
    """arms: config files by name; bases: of an arm, the one that it is compared with."""

    name: str
    title: str
    arms: Mapping[str, Path]
    bases: Mapping[str, str]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--tables', metavar='FILE', type=Path, default=TABLES, help='default: size_tables.py beside this')
    add('--experiments', metavar='NAME', nargs='+', help='only these of the table')
    add('--arms', metavar='NAME', nargs='+', help='train only these; NAME of an arm, or of its config')
    add('--seeds', metavar='N', type=int, nargs='+', default=[0], help='default: 0')
    add('--steps', metavar='N', type=int, help="of each training (default: the configs')")
    add('--pairs', metavar='DATA', help='still images to measure with (default: images in MMGTRACK_DATA)')
    add('--num-pairs', metavar='N', type=int, default=2000, help='default: %(default)s')
    add('--videos', metavar='DATA', help='videos to measure with, too: a data set, or a folder of sequences')
    add('--work-dir', metavar='DIR', type=Path, default=Path('work_dirs/size_arms'), help='of the trainings')
    add('--out', metavar='DIR', type=Path, help='tables and plots (default: WORK_DIR/tables)')
    add('--device', choices=('cpu', 'cuda'), help='default: a GPU where there is one')
    return parser.parse_args()


def read_experiments(path: Path, names: list[str] | None) -> list[Experiment]:
    """Those of these names. Raises InputError where the file or a name is not right."""
    table: dict[str, Any] = run_config(path).to_dict().get('experiments') or {}
    for name in names or ():
        if name not in table:
            raise InputError(f'there is no experiment {name!r}; {suggest(name, table)}')
    found = []
    for name, content in table.items():
        if names is not None and name not in names:
            continue
        try:
            found.append(read_experiment(name, content))
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f'{path}: {name} needs title, base and arms with configs: {error!r}') from error
    if not found:
        raise InputError(f'{path} has no dict of experiments')
    return found


def read_experiment(name: str, content: Mapping[str, Any]) -> Experiment:
    """An arm is a config, or a dict of one and of the arm that it is compared with in place of the base."""
    given = {arm: dict(config=of) if isinstance(of, str) else of for arm, of in content['arms'].items()}
    arms = {arm: config_file(of['config']) for arm, of in given.items()}
    bases = {arm: of.get('base', content['base']) for arm, of in given.items()}
    for base in (content['base'], *bases.values()):
        if base not in arms:
            raise InputError(f'the base {base!r} of {name} is none of its arms; {suggest(base, arms)}')
    return Experiment(name, content['title'], arms, {a: base for a, base in bases.items() if a != base})


def config_file(name: str) -> Path:
    """Of ``mmgtrack::NAME.py``, or a file."""
    path = find_config(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else Path(name)
    if not path.is_file():
        raise InputError(f'there is no config file {path}')
    return path.absolute()


def chosen(experiments: list[Experiment], names: list[str] | None) -> list[Path]:
    """Configs of the arms to train, in the order of the experiments. Raises InputError for another name."""
    known = {arm: config for each in experiments for arm, config in each.arms.items()}
    by_config = {config.stem: config for config in known.values()}
    for name in names or ():
        if name not in known and name not in by_config:
            raise InputError(f'there is no arm {name!r}; {suggest(name, [*known, *by_config])}')
    wanted = set(known.values()) if names is None else {known.get(n) or by_config[n] for n in names}
    return [config for config in dict.fromkeys(known.values()) if config in wanted]


def first_of_equal(configs: list[Path], plan: Plan) -> dict[Path, Path]:
    """For each config the first one that trains the same."""
    firsts: dict[str, Path] = {}
    return {config: firsts.setdefault(digest_of(Run(config, 0), plan), config) for config in configs}


def canvas_of(config: Path) -> tuple[int, int]:
    """(long, short) side of the images that a config trains on. Raises InputError where it has no scale."""
    scale = load_config(config)[1].get('scale')
    if scale is None:
        raise InputError(f'the config {config} has no scale = (LONG, SHORT), the size of pairs')
    return tuple(scale)


def sources_of(args: argparse.Namespace, canvas: tuple[int, int]) -> dict[str, StudySource]:
    pairs = args.pairs or str(default_data_folder() / 'images')
    sources: dict[str, StudySource] = {
        'pairs': PairClips(reader_of(pairs, STILL_IMAGES), args.num_pairs, canvas)
    }
    if args.videos is not None:
        sources['videos'] = VideoClips(reader_of(args.videos, VIDEOS))
    return sources


@contextmanager
def waiting_for_lock(folder: Path) -> Iterator[None]:
    """Tables are written by one process at a time."""
    while True:
        with locked(folder, '--out') as lock:
            if lock is not None:
                yield
                return
        time.sleep(0.1)


def write(experiment: Experiment, kind: str, arms: Mapping[str, Seeds], out: Path) -> None:
    """Table, numbers and plot of an experiment by what there is of it."""
    stem = out / f'{experiment.name}_{kind}'
    text = f'# {experiment.title}\n\n{as_markdown(arms, experiment.bases)}'
    with replacing(stem.with_suffix('.md')) as file:
        file.write(text.encode())
    content = dict(title=experiment.title, bases=experiment.bases, arms=as_dict(arms))
    write_json(content, stem.with_suffix('.json'))
    found = {name: by_seed(seeds) for name, seeds in arms.items() if seeds}
    first = next(iter(next(iter(found.values())).values()))
    counts = sorted({len(seeds) for seeds in found.values()})
    number = ' to '.join(map(str, counts[:: len(counts) - 1 or 1]))
    plot_by_size(
        panels_of(lambda measure: {n: curve(seeds, measure) for n, seeds in found.items()}, first),
        f'{experiment.title}\n{kind}, n = {first.total.frames}, seeds: {number}',
        stem.with_suffix('.png'),
    )


class Board:
    """What was measured so far, and the tables of it, which other processes may write, too."""

    def __init__(self, experiments: list[Experiment], plan: Plan, out: Path) -> None:
        self.experiments, self.plan, self.out = experiments, plan, out
        configs = [config for each in experiments for config in each.arms.values()]
        self.trained_as = first_of_equal(configs, plan)
        self._found: dict[tuple[str, str], FrameRows] = {}

    def write(self, config: Path) -> None:
        """The tables of the experiments that have a config, by all that was measured for them."""
        with waiting_for_lock(self.out):
            for experiment in self.experiments:
                if config not in (self.trained_as[own] for own in experiment.arms.values()):
                    continue
                for kind in self.plan.sources:
                    arms = {name: self._seeds(own, kind) for name, own in experiment.arms.items()}
                    if any(arms.values()):
                        write(experiment, kind, arms, self.out)

    def _seeds(self, config: Path, kind: str) -> Seeds:
        """Of all trainings of a config that are there, whoever did them."""
        own = self.trained_as[config]
        found = {seed: self._rows(Run(own, seed), kind) for seed in seeds_found(own, self.plan)}
        return {seed: rows for seed, rows in found.items() if rows is not None}

    def _rows(self, run: Run, kind: str) -> FrameRows | None:
        key = (run.name, kind)
        if key not in self._found:
            try:
                rows = results(run, self.plan, kind)
            except DataError as error:  # not measured, as far as the tables go
                print(f'left out of the tables: {error}', flush=True)
                return None
            if rows is None:
                return None
            self._found[key] = rows
        return self._found[key]


def main() -> None:
    args = parse_args()
    if min(args.seeds) < 0 or (args.steps is not None and args.steps < 1):
        raise InputError(f'expected --seeds >= 0 and --steps >= 1, got {args.seeds} and {args.steps}')
    experiments = read_experiments(args.tables, args.experiments)
    canvas = canvas_of(next(iter(experiments[0].arms.values())))
    plan = Plan(args.work_dir, sources_of(args, canvas), args.device, args.steps)
    seeds, out = list(dict.fromkeys(args.seeds)), args.out or args.work_dir / 'tables'
    board = Board(experiments, plan, out)
    wanted = dict.fromkeys(board.trained_as[config] for config in chosen(experiments, args.arms))
    runs = [Run(config, seed) for seed in seeds for config in wanted]
    failed, busy = [], []
    with waiting_for_lock(out):
        pass  # it can be written: better known before the first training
    for number, run in enumerate(runs, start=1):
        print(f'== {run.name}, {number} of {len(runs)}', flush=True)
        try:
            if not do_run(run, plan):
                busy.append(run.name)
                continue
            board.write(run.config)
        except (MMGTrackError, RuntimeError, MemoryError) as error:  # such as a full GPU: the others go on
            failed.append(f'{run.name}: {" ".join(str(error).split()) or type(error).__name__}')
            print(failed[-1], flush=True)
    print(f'tables and plots: {out}')
    for line in failed:
        print(f'failed: {line}')
    if busy:
        print(
            f'locked by another process: {", ".join(busy)}. A queue adds them to the tables; what is left of '
            'one that was killed does not: start this again when it has ended'
        )
    if failed:
        raise SystemExit(1)


if __name__ == '__main__':
    run_tool(main)
