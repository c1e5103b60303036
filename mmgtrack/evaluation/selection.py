"""Which sequences of a benchmark are judged."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from mmgtrack.errors import DataError, InputError
from mmgtrack.evaluation.annotations.base import Annotations
from mmgtrack.evaluation.benchmarks import Protocol
from mmgtrack.formats.listing import some_of
from mmgtrack.packaged_configs import suggestions
from mmgtrack.sequence_tables import SequenceTable, load_table

ALL = 'all'
"""For ``wanted``: all that the annotations hold."""


def select_sequences(
    protocol: Protocol, truths: Annotations[Any], wanted: str | Sequence[str] | None
) -> tuple[str, ...]:
    """Names of the sequences to judge; the arguments are those of ``evaluate``."""
    if isinstance(wanted, str) and wanted != ALL:
        raise InputError(f'sequences are {ALL!r} or a list of names, got {wanted!r}')
    table = None if protocol.benchmark.table is None else load_table(protocol.benchmark.table)
    if wanted == ALL or (wanted is None and table is None):
        return truths.names
    there = set(truths.names)
    names = table.names if wanted is None and table is not None else _known_names(wanted or (), there, table)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f'the list of sequences holds {twice[0]!r} more than once')
    if not names:
        raise DataError('the list of sequences is empty')
    lacking = [name for name in names if name not in there]
    if lacking and wanted is None:
        raise DataError(
            f'{truths.root} has annotations of {len(names) - len(lacking)} of the {len(names)} sequences of '
            f'{protocol.benchmark.title} ({some_of(lacking)} missing): give the whole benchmark, or choose '
            'sequences (--sequences all: those that are there)'
        )
    if lacking:
        near = suggestions(lacking[0], there)
        hint = f': did you mean {", ".join(near)}?' if len(lacking) == 1 and near else ''
        raise DataError(f'{truths.root} has no annotations of {some_of(lacking)}{hint}')
    if wanted is None:  # in the order of the annotations, on which OxUvA's bootstrap depends
        return tuple(name for name in truths.names if name in set(names))
    return names


def _known_names(
    wanted: Sequence[str], there: Collection[str], table: SequenceTable | None
) -> tuple[str, ...]:
    """Names as the annotations have them: lists write some in another case, or as other programs do."""
    folded = {name.casefold(): name for name in there}
    others = {} if table is None else {o.casefold(): e.name for e in table.entries for o in e.other_names}
    return tuple(
        name if name in there else folded.get(name.casefold(), others.get(name.casefold(), name))
        for name in wanted
    )
