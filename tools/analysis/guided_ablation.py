"""The ablations of GuidedDetector's paper: a table of variants, tracked on any data set.

    python tools/analysis/guided_ablation.py table1 --data otb2013
    python tools/analysis/guided_ablation.py light_table1 --rows full 'no anchored updating' --plot bars.png

Tables are lists in guided_tables.py, or in the file of --tables; a row is a config, options and a checkpoint.
Every row is tested as ``mmgtrack test`` does, with its results in a folder of --out. Then table.json and
table.md there tell AUC and OP(0.5): means over the sequences that all rows have, with bounds of 95 %, the
difference from the first row, and every sequence. They are written anew after each row, with the rows of
earlier calls. Started again, what has been tracked is not tracked again. A row whose checkpoint is missing or
is not trained to the end, or that fails, is said to, and the others go on; the exit status is 1 then.

"Plain gradient descent" tries several steps and rates. Those are taken that are best on other videos, which
its row names; --choose-data, --choose-root and --choose-sequences say others. Videos that are reported are
refused.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import mmgtrack  # noqa: F401  (the operator stand-in must be in place before mmdet is imported)
from mmgtrack.apis.ablation import Row, Study, Videos, check_choice, read_rows, run_row
from mmgtrack.cli.tools import run_tool
from mmgtrack.errors import DataError, InputError, OutputError
from mmgtrack.evaluation.ablation import SCORES, Variant, as_dict, as_markdown, from_dict, joined, lines
from mmgtrack.files import check_target, replacing
from mmgtrack.packaged_configs import suggest
from mmgtrack.visualization.bars import BarPanel, plot_bars
from mmgtrack.visualization.figures import check_suffix

TABLES = Path(__file__).with_name('guided_tables.py')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('table', help='name of a list of rows, such as table1')
    add('--tables', metavar='FILE', type=Path, default=TABLES, help='default: guided_tables.py beside this')
    add('--rows', metavar='NAME', nargs='+', help='only these rows')
    add('--data', metavar='NAME', help="data set, such as otb2013 (default: the configs' own test set)")
    add('--data-root', metavar='DIR', help='where it is (default: below MMGTRACK_DATA, or data/)')
    add('--sequences', metavar='NAME', nargs='+', help='only these')
    add('--choose-data', metavar='NAME', help='data set to choose values by (default: the rows say)')
    add('--choose-root', metavar='DIR', help='where that is')
    add('--choose-sequences', metavar='NAME', nargs='+', help='only these of it')
    add('--work-dirs', metavar='DIR', type=Path, default=Path('work_dirs'), help='folders of trainings')
    add('--out', metavar='DIR', type=Path, help='results and tables (default: WORK_DIRS/ablation_TABLE)')
    add('--overwrite', action='store_true', help='remove earlier results first')
    add('--device', choices=('cpu', 'cuda'), help='default: a CUDA GPU where there is one')
    add('--plot', metavar='FILE', type=Path, help='draw the means: .png, .svg or .pdf')
    return parser.parse_args()


def chosen_rows(rows: list[Row], names: Sequence[str] | None) -> list[Row]:
    """Those with these names, in the order of the table."""
    known = [row.name for row in rows]
    for name in names or ():
        if name not in known:
            raise InputError(f'there is no row {name!r}; {suggest(name, known)}')
    return [row for row in rows if names is None or row.name in names]


def study_of(args: argparse.Namespace) -> Study:
    given = args.choose_data, args.choose_root, args.choose_sequences
    return Study(
        videos=Videos(args.data, args.data_root, args.sequences),
        chosen_by=Videos(*given) if any(given) else None,
        out=args.out or args.work_dirs / f'ablation_{args.table}',
        work_dirs=args.work_dirs,
        device=args.device,
        overwrite=args.overwrite,
    )


def make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f'cannot make the folder {out}: {error.strerror}; give another --out') from error


def earlier_variants(study: Study) -> list[Variant]:
    """The rows that table.json has by now, of the same videos. Raises InputError where they are of others."""
    path = study.out / 'table.json'
    if not path.exists():
        return []
    try:
        found = from_dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        if study.overwrite:
            return []
        raise DataError(f'cannot go on with {path}: {error}; give another --out, or --overwrite') from error
    videos = json.loads(json.dumps(asdict(study.videos)))
    same = [each for each in found if not each.sequences or each.settings.get('videos') == videos]
    if len(same) < len(found) and not study.overwrite:
        raise InputError(f'{path} is of other videos: give another --out, or --overwrite')
    return same


def write(variants: Sequence[Variant], out: Path) -> None:
    """table.json and table.md."""
    with replacing(out / 'table.json') as file:
        file.write(json.dumps(as_dict(variants), indent=1, allow_nan=False).encode())
    with replacing(out / 'table.md') as file:
        file.write(as_markdown(variants).encode())


def draw(variants: Sequence[Variant], title: str, path: Path) -> None:
    """The means with their bounds."""
    panels = [
        BarPanel(
            label,
            f'{label}, %',
            {
                line.name: tuple(100 * value for value in line.means[score])  # type: ignore[misc]
                for line in lines(variants)
            },
        )
        for score, label in SCORES.items()
    ]
    plot_bars(panels, title, path)


def main() -> None:
    args = parse_args()
    table = read_rows(args.tables, args.table)
    rows = chosen_rows(table, args.rows)
    study = study_of(args)
    for row in rows:
        check_choice(row, study)
    if args.plot is not None:
        check_suffix(args.plot)
        check_target(args.plot)
    make_folder(study.out)
    earlier, order = earlier_variants(study), [row.name for row in table]
    variants: list[Variant] = []
    shown = joined(variants, earlier, order)
    for row in rows:
        print(f'== {row.name}', flush=True)
        variants.append(run_row(row, study))
        shown = joined(variants, earlier, order)
        write(shown, study.out)
        if variants[-1].problem:
            print(f'{row.name}: {variants[-1].problem}', flush=True)
    print(f'\n{as_markdown(shown)}\n{study.out / "table.md"}, {study.out / "table.json"}')
    if args.plot is not None:
        draw(shown, args.table, args.plot)
    if any(variant.problem for variant in variants):
        raise SystemExit(1)


if __name__ == '__main__':
    run_tool(main)
