"""How well trackers do against the size of their target: hits, overlaps and presence by size."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from mmgtrack.errors import DataError
from mmgtrack.evaluation.bootstrap import share_with_bounds
from mmgtrack.evaluation.size_bins import STUDY_BINS, SizeBins, chance_level
from mmgtrack.evaluation.success import THRESHOLDS
from mmgtrack.formats.markdown import Bounded, bounded_percent, markdown_table

MEASURES = {'hit': 'hit rate', 'box_hit': "hit rate of the box's centre", 'auc': 'success AUC'}

Mean = Callable[[np.ndarray, Sequence[str]], Bounded]
"""Mean of (n,) values with bounds; units: what each value shares with others."""


@dataclass(frozen=True, eq=False)
class FrameRows:
    """n frames, each with one target whose presence is known.

    targets, units: (n,) str, of which target, and in which film or still image; sizes: (n,) sqrt(w*h) of the
    true box in pixels, nan where it is absent; relative: (n,) r = sqrt(wh/WH); hits: (n,) bool, the
    tracker's point is in the true box; box_hits: (n,) bool, the centre of its box is; ious: (n,); scores:
    (n,); judged: (n,) bool, it says that the target is there.
    """

    targets: np.ndarray
    units: np.ndarray
    sizes: np.ndarray
    relative: np.ndarray
    hits: np.ndarray
    box_hits: np.ndarray
    ious: np.ndarray
    scores: np.ndarray
    judged: np.ndarray

    @classmethod
    def cat(cls, parts: Sequence['FrameRows']) -> 'FrameRows':
        """All frames of at least one part."""
        return cls(
            **{
                field.name: np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(cls)
            }
        )

    @classmethod
    def from_dict(cls, content: Mapping[str, Sequence[Any]]) -> 'FrameRows':
        """Of what ``as_dict`` gave. Raises DataError for another content."""
        kinds = dict.fromkeys(('targets', 'units'), str) | dict.fromkeys(('hits', 'box_hits', 'judged'), bool)
        try:
            rows = cls(
                **{
                    field.name: np.array(content[field.name], dtype=kinds.get(field.name, float))
                    for field in fields(cls)
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f'expected the rows of frames: {error!r}') from error
        if {column.shape for column in vars(rows).values()} != {(rows.sizes.size,)}:
            raise DataError('expected columns of frames of one length')
        return rows

    def as_dict(self) -> dict[str, list[Any]]:
        """For JSON, nan as it is."""
        return {name: column.tolist() for name, column in vars(self).items()}

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, chosen: np.ndarray) -> 'FrameRows':
        """The frames of a mask (n,) bool."""
        return FrameRows(**{name: column[chosen] for name, column in vars(self).items()})

    @property
    def is_shown(self) -> np.ndarray:
        """(n,) bool: the target is there."""
        return np.isfinite(self.sizes)

    def measure(self, name: str) -> np.ndarray:
        """(n,) of MEASURES, shares in [0, 1]."""
        if name == 'auc':
            shares: np.ndarray = (self.ious[:, None] > THRESHOLDS).mean(1)
            return shares
        return (self.hits if name == 'hit' else self.box_hits).astype(float)


@dataclass(frozen=True)
class SizeLine:
    """Frames whose targets are about as large: how many, of how many targets, MEASURES with bounds by unit.

    size: geometric mean in pixels; chance: hit rate of a random point.
    """

    label: str
    frames: int
    targets: int
    size: float
    chance: float
    hit: Bounded
    box_hit: Bounded
    auc: Bounded


@dataclass(frozen=True)
class SizeSummary:
    """What is said of one tracker.

    lines: by bin; total: all shown frames; correlation: Spearman's of the targets' AUC with their mean size,
    and its p value; absent, shown: how many frames; judged_absent: share of the absent ones that it says is
    absent; judged_shown: share of the shown ones that it says is there.
    """

    lines: tuple[SizeLine, ...]
    total: SizeLine
    correlation: tuple[float, float]
    absent: int
    shown: int
    judged_absent: Bounded
    judged_shown: Bounded


def summarise(rows: FrameRows, bins: SizeBins = STUDY_BINS, bounded: bool = True) -> SizeSummary:
    """All numbers of one tracker, by size. bounded: False: means alone, their bounds are nan."""
    mean: Mean = share_with_bounds if bounded else _mean_alone
    shown, absent = rows[rows.is_shown], rows[~rows.is_shown]
    places = bins.index(shown.sizes)
    return SizeSummary(
        lines=tuple(_line(shown[places == place], label, mean) for place, label in enumerate(bins.labels)),
        total=_line(shown, 'all', mean),
        correlation=correlation(shown),
        absent=len(absent),
        shown=len(shown),
        judged_absent=mean(~absent.judged * 1.0, absent.units.tolist()),
        judged_shown=mean(shown.judged * 1.0, shown.units.tolist()),
    )


def _mean_alone(values: np.ndarray, units: Sequence[str]) -> Bounded:
    return float(values.mean()) if len(values) else float('nan'), float('nan'), float('nan')


def _line(rows: FrameRows, label: str, mean: Mean) -> SizeLine:
    """Of frames that show their target."""
    measures = {name: mean(rows.measure(name), rows.units.tolist()) for name in MEASURES}
    return SizeLine(
        label=label,
        frames=len(rows),
        targets=len(np.unique(rows.targets)),
        size=float(np.exp(np.log(rows.sizes).mean())) if len(rows) else float('nan'),
        chance=float(chance_level(rows.relative).mean()) if len(rows) else float('nan'),
        **measures,
    )


def curve(summary: SizeSummary, measure: str) -> tuple[list[float], list[Bounded]]:
    """Sizes in pixels, and a measure with its bounds at each; nan for a bin without frames."""
    return [line.size for line in summary.lines], [getattr(line, measure) for line in summary.lines]


def correlation(shown: FrameRows) -> tuple[float, float]:
    """Spearman's rank correlation of the targets' AUC with their mean size, and its p value.

    nan for fewer than three targets, or where all have the same size or AUC.
    """
    _, numbers, counts = np.unique(shown.targets, return_inverse=True, return_counts=True)
    means = [np.bincount(numbers, each) / counts for each in (shown.measure('auc'), shown.sizes)]
    if len(counts) < 3 or any(np.ptp(each) == 0 for each in means):
        return float('nan'), float('nan')
    found = spearmanr(*means)
    return float(found.statistic), float(found.pvalue)


def as_dict(summaries: Mapping[str, SizeSummary]) -> dict[str, Any]:
    """For JSON: shares in [0, 1], bounds as [value, low, high]."""
    return {name: asdict(summary) for name, summary in summaries.items()}


def as_markdown(summaries: Mapping[str, SizeSummary]) -> str:
    """A table of each measure by size, a column a tracker, and one of what is not by size.

    Hits of the boxes' centres are told where a tracker has other points.
    """
    has_points = any(
        not np.array_equal(each.total.hit, each.total.box_hit, equal_nan=True) for each in summaries.values()
    )
    parts = [
        _by_size(summaries, measure, title)
        for measure, title in MEASURES.items()
        if has_points or measure != 'box_hit'
    ]
    return '\n\n'.join('\n'.join(part) for part in [*parts, _overall(summaries)]) + '\n'


def _by_size(summaries: Mapping[str, SizeSummary], measure: str, title: str) -> list[str]:
    first = next(iter(summaries.values()))
    rows = []
    for place, line in enumerate((*first.lines, first.total)):
        if not line.frames:
            continue
        found = [(*each.lines, each.total)[place] for each in summaries.values()]
        cells = [bounded_percent(getattr(each, measure)) for each in found]
        chance = [] if measure == 'auc' else [f'{100 * line.chance:.2f}']
        rows.append([line.label, str(line.frames), str(line.targets), *chance, *cells])
    header = [
        'size, px',
        'frames',
        'targets',
        *([] if measure == 'auc' else ['chance of a hit, %']),
        *summaries,
    ]
    return [
        f'{title[0].upper()}{title[1:]}, %, by size, with bounds of 95 %.',
        '',
        *markdown_table(header, rows),
    ]


def _overall(summaries: Mapping[str, SizeSummary]) -> list[str]:
    rows = []
    for name, each in summaries.items():
        rho, p = each.correlation
        correlated = f'{rho:+.2f} (p = {p:.1g})' if np.isfinite(rho) else '-'
        rows.append(
            [
                name,
                correlated,
                str(each.total.targets),
                bounded_percent(each.judged_absent),
                str(each.absent),
                bounded_percent(each.judged_shown),
                str(each.shown),
            ]
        )
    header = [
        'tracker', "Spearman's correlation of AUC with size", 'targets',
        'absent frames judged absent, %', 'absent frames', 'others judged present, %', 'others',
    ]  # fmt: skip
    return ['What is not by size.', '', *markdown_table(header, rows)]
