"""Trainings that differ in one thing, each with several seeds, side by side by the size of the target."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from mmgtrack.evaluation.bootstrap import mean_of_several
from mmgtrack.evaluation.size_bins import STUDY_BINS, SizeBins
from mmgtrack.evaluation.size_study import MEASURES, FrameRows, SizeLine, SizeSummary, summarise
from mmgtrack.formats.markdown import Bounded, bounded_percent, markdown_table

Seeds = Mapping[int, FrameRows]
"""What was measured of the trainings of one arm, by seed; all of the same frames."""

SMALL = 16.0
"""Pixels: below are the sizes of the synthetic clips, and tiny-object benchmarks' classes "tiny" and less."""


def spread(values: list[float]) -> Bounded:
    """Mean, lowest and highest of the seeds."""
    return float(np.mean(values)), float(np.min(values)), float(np.max(values))


def by_seed(seeds: Seeds, bins: SizeBins = STUDY_BINS) -> dict[int, SizeSummary]:
    """Numbers of each training, without bounds: what counts here is how far the seeds lie apart."""
    return {seed: summarise(rows, bins, bounded=False) for seed, rows in sorted(seeds.items())}


def curve(summaries: Mapping[int, SizeSummary], measure: str) -> tuple[list[float], list[Bounded]]:
    """Sizes in pixels, and the spread over the seeds at each; nan for a bin without frames."""
    lines = [each.lines for each in summaries.values()]
    points = [spread([getattr(line, measure)[0] for line in at]) for at in zip(*lines, strict=True)]
    return [line.size for line in lines[0]], points


def above_base(seeds: Seeds, base: Seeds, measure: str, largest: float = np.inf) -> Bounded | None:
    """How far the mean over an arm's seeds is above the base's on the same targets below a size.

    With bounds of 95 % over the units of the frames, which say nothing of other seeds; the seeds are those
    that both have. None without any, or where the frames are not the same.
    """
    common = sorted(set(seeds) & set(base))
    if not common or any(not np.array_equal(seeds[seed].targets, base[common[0]].targets) for seed in common):
        return None
    first = base[common[0]]
    chosen = first.is_shown & (first.sizes < largest)
    own, others = (
        np.mean([each[seed].measure(measure)[chosen] for seed in common], axis=0) for each in (seeds, base)
    )
    return mean_of_several(own - others, first.units[chosen].tolist())


def as_markdown(arms: Mapping[str, Seeds], bases: Mapping[str, str], bins: SizeBins = STUDY_BINS) -> str:
    """Tables of an experiment: each measure by size, a row an arm, and how far arms are above their bases.

    bases: by the name of an arm, the one that it is compared with.
    """
    found = {name: by_seed(seeds, bins) for name, seeds in arms.items() if seeds}
    if not found:
        return 'Nothing was measured yet.\n'
    parts = [_by_size(found, measure, title) for measure, title in MEASURES.items()]
    pairs = [(name, bases[name]) for name in found if bases.get(name) in found]
    if pairs:
        parts.append(_differences(arms, pairs))
    return '\n\n'.join('\n'.join(part) for part in parts) + '\n'


def _by_size(found: Mapping[str, Mapping[int, SizeSummary]], measure: str, title: str) -> list[str]:
    first = next(iter(next(iter(found.values())).values()))
    filled = [place for place, line in enumerate(first.lines) if line.frames]
    header = [
        'arm', 'seeds', f'all (n = {first.total.frames})',
        *(f'{first.lines[place].label} px (n = {first.lines[place].frames})' for place in filled),
    ]  # fmt: skip
    picks: list[Callable[[SizeSummary], SizeLine]] = [
        lambda each: each.total,
        *(partial(_line, place=place) for place in filled),
    ]
    rows = [
        [
            name,
            str(len(seeds)),
            *(_cell([getattr(pick(each), measure)[0] for each in seeds.values()]) for pick in picks),
        ]
        for name, seeds in found.items()
    ]
    if measure != 'auc':
        chance = [f'{100 * pick(first).chance:.2f}' for pick in picks]
        rows.append(['a random point', '-', *chance])
    said = f'{title[0].upper()}{title[1:]}, %: mean over the seeds, and the lowest and highest of them.'
    return [said, '', *markdown_table(header, rows)]


def _line(summary: SizeSummary, place: int) -> SizeLine:
    return summary.lines[place]


def _cell(values: list[float]) -> str:
    mean, low, high = (f'{100 * value:.1f}' for value in spread(values))
    return mean if len(values) == 1 else f'{mean} ({low} to {high})'


def _differences(arms: Mapping[str, Seeds], pairs: list[tuple[str, str]]) -> list[str]:
    sizes = {'all': np.inf, f'below {SMALL:g} px': SMALL}
    columns = [(measure, size) for measure in ('hit', 'auc') for size in sizes]
    rows = []
    for name, base in pairs:
        cells = [above_base(arms[name], arms[base], measure, sizes[size]) for measure, size in columns]
        common = len(set(arms[name]) & set(arms[base]))
        shown = ['-' if cell is None else bounded_percent(cell, '+') for cell in cells]
        rows.append([name, base, str(common), *shown])
    header = ['arm', 'above', 'common seeds', *(f'{MEASURES[m]}, {size}' for m, size in columns)]
    said = (
        'Differences of the means over the common seeds in points, with bounds of 95 % over images or films '
        '(bootstrap), which say nothing of other seeds.'
    )
    return [said, '', *markdown_table(header, rows)]


def as_dict(arms: Mapping[str, Seeds], bins: SizeBins = STUDY_BINS) -> dict[str, Any]:
    """For JSON: by arm and seed every line, shares in [0, 1]."""
    return {
        name: {str(seed): asdict(each) for seed, each in by_seed(seeds, bins).items()}
        for name, seeds in arms.items()
    }
