"""Variants of a tracker side by side on the same sequences: means, their bounds, and every sequence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

import numpy as np

from mmgtrack.datasets.sequence import Sequence as Video
from mmgtrack.errors import DataError
from mmgtrack.evaluation.bootstrap import mean_with_bounds
from mmgtrack.evaluation.success import boxes_to_compare, success_auc, success_rate
from mmgtrack.formats.markdown import Bounded, bounded_percent, markdown_table

SCORES = {'auc': 'AUC', 'op': 'OP(0.5)'}
"""Area under the success curve, and the share of frames with IoU > 0.5; see ``success``."""


@dataclass(frozen=True)
class Variant:
    """What came out of one of the trackers.

    sequences: SCORES of each sequence, shares in [0, 1]; problem: why there are none, or fewer than there
    should be; settings: what a reader of the numbers has to know, such as the checkpoint.
    """

    name: str
    sequences: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    problem: str = ''
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """Means of a variant over the common sequences, and how far they are above those of the first variant."""

    name: str
    means: Mapping[str, Bounded]
    differences: Mapping[str, Bounded]


def sequence_scores(video: Video, result: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """SCORES of every target by name; result: see ``boxes_to_compare``."""
    return {
        name: dict(auc=success_auc(*boxes), op=success_rate(*boxes))
        for name, boxes in boxes_to_compare(video, result).items()
    }


def common_sequences(variants: Sequence[Variant]) -> list[str]:
    """Sequences that every variant with numbers has a number of, in the order of the first one."""
    measured = [variant.sequences for variant in variants if variant.sequences]
    return [
        name
        for name in (measured[0] if measured else ())
        if all(name in each and np.isfinite(list(each[name].values())).all() for each in measured)
    ]


def lines(variants: Sequence[Variant]) -> list[Line]:
    """A line for every variant that has numbers; all over the same sequences, each with the same weight."""
    names = common_sequences(variants)
    measured = [variant for variant in variants if variant.sequences]
    values = {
        score: np.array([[each.sequences[name][score] for name in names] for each in measured])
        for score in SCORES
    }
    return [
        Line(
            variant.name,
            {score: _mean(values[score][row]) for score in SCORES},
            {score: _mean(values[score][row] - values[score][0]) for score in SCORES},
        )
        for row, variant in enumerate(measured)
    ]


def _mean(values: np.ndarray) -> Bounded:
    """With bounds; nan ones of a single value, which says nothing of others."""
    value, low, high = mean_with_bounds(values)
    return (value, low, high) if len(values) > 1 else (value, float('nan'), float('nan'))


def joined(new: Sequence[Variant], earlier: Sequence[Variant], order: Sequence[str]) -> list[Variant]:
    """The variants of a table that was made in several runs, in this order, others last.

    Earlier numbers stay where the new variant of that name has none, with a problem that says so.
    """
    found = {variant.name: variant for variant in earlier}
    for variant in new:
        before = found.get(variant.name)
        if before is not None and before.sequences and not variant.sequences:
            variant = replace(before, problem=f'numbers of an earlier run; this one: {variant.problem}')
        found[variant.name] = variant
    names = [*order, *(name for name in found if name not in order)]
    return [found[name] for name in names if name in found]


def from_dict(content: Mapping[str, Any]) -> list[Variant]:
    """The variants that ``as_dict`` wrote. Raises DataError for another content."""
    try:
        return [_variant(**row) for row in content['rows']]
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f'expected a table of variants with their sequences: {error!r}') from error


def _variant(
    name: str,
    problem: str | None,
    sequences: Mapping[str, Mapping[str, float | None]],
    means: Any = None,
    above_first: Any = None,
    **settings: Any,
) -> Variant:
    scores = {
        sequence: {score: float('nan') if value is None else value for score, value in own.items()}
        for sequence, own in sequences.items()
    }
    return Variant(name, scores, problem or '', settings)


def as_dict(variants: Sequence[Variant]) -> dict[str, Any]:
    """For JSON: shares in [0, 1], bounds as [value, low, high], null for what is no number."""
    found = {line.name: line for line in lines(variants)}
    names = common_sequences(variants)
    return {
        'sequences': names,
        'rows': [
            {
                'name': variant.name,
                'problem': variant.problem or None,
                **_plain(variant.settings),
                'means': _plain(found[variant.name].means) if variant.name in found else None,
                'above_first': _plain(found[variant.name].differences) if variant.name in found else None,
                'sequences': _plain(variant.sequences),
            }
            for variant in variants
        ],
    }


def as_markdown(variants: Sequence[Variant]) -> str:
    """Two tables in percent, a row a variant, and a row a sequence; between them what the rows are of."""
    names, found = common_sequences(variants), {line.name: line for line in lines(variants)}
    first = next(iter(found), '')
    others = [f'{title} above "{first}"' for title in SCORES.values()] if names and len(found) > 1 else []
    text = [
        f'Means of {len(names)} sequences in percent, with bounds of 95 % (bootstrap over sequences).',
        '',
        *markdown_table(
            ['', *SCORES.values(), *others],
            [
                [variant.name, *_cells(found.get(variant.name), variant.name == first)][
                    : 1 + len(SCORES) + len(others)
                ]
                for variant in variants
            ],
        ),
    ]
    problems = [f'- {variant.name}: {variant.problem}' for variant in variants if variant.problem]
    measured = [variant for variant in variants if variant.sequences]
    columns = [(variant, score) for variant in measured for score in SCORES]
    by_sequence = markdown_table(
        ['sequence', *(f'{variant.name}, {SCORES[score]}' for variant, score in columns)],
        [[name, *(_percent(variant.sequences[name][score]) for variant, score in columns)] for name in names],
    )
    notes = [f'- {variant.name}: {note}' for variant in variants if (note := _note(variant.settings))]
    text += ['', *notes] if notes else []
    text += ['', 'Problems:', '', *problems] if problems else []
    text += ['', *by_sequence] if names else []
    return '\n'.join(text) + '\n'


def _cells(line: Line | None, is_first: bool) -> list[str]:
    if line is None:
        return ['-'] * (2 * len(SCORES))
    means = [bounded_percent(line.means[score]) for score in SCORES]
    return means + ['-' if is_first else bounded_percent(line.differences[score], '+') for score in SCORES]


def _note(settings: Mapping[str, Any]) -> str:
    """The checkpoint, and the values that were chosen."""
    parts = []
    if 'checkpoint' in settings:
        epoch = settings.get('epoch')
        parts.append('/'.join(PurePath(settings['checkpoint']).parts[-2:]))
        parts += [] if epoch is None else [f'epoch {epoch}']
    for key, value in settings.get('chosen', {}).items():
        edge = ', at the edge of its grid' if key in settings.get('at_edge', ()) else ''
        parts.append(f'{key}={value} chosen{edge}')
    return ', '.join(parts)


def _percent(value: float) -> str:
    return f'{100 * value:.1f}'


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
