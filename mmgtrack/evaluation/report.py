"""Evaluations as JSON and CSV."""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmgtrack.evaluation.evaluate import Evaluation
from mmgtrack.evaluation.rules.base import Scores
from mmgtrack.files import replacing
from mmgtrack.version import __version__

ALL_SEQUENCES = '(all)'
"""Stands for the name of a sequence in the row of all of them."""


def as_dict(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """What can be written as JSON: protocol, rule, and for each tracker scores, curves and sequences.

    Shares are in [0, 1]; a number that could not be counted is null.
    """
    protocol = evaluations[0].protocol
    return {
        'mmgtrack': __version__,
        'protocol': protocol.name,
        'benchmark': protocol.benchmark.title,
        'rule': protocol.rule.text,
        'program': protocol.rule.program,
        'columns': list(protocol.rule.columns),
        'sequences': [part.name for part in evaluations[0].parts],
        'trackers': [_tracker(evaluation) for evaluation in evaluations],
    }


def write_json(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Raises OutputError where the file cannot be written."""
    text = json.dumps(as_dict(evaluations), indent=1, allow_nan=False)
    with replacing(path) as file:
        file.write(f'{text}\n'.encode())


def write_csv(evaluations: Sequence[Evaluation], path: Path) -> None:
    """A row a tracker and sequence, and one for all sequences, called '(all)'; empty where nothing counts.

    Raises OutputError where the file cannot be written.
    """
    columns = evaluations[0].protocol.rule.columns
    text = io.StringIO()
    rows = csv.writer(text, lineterminator='\n')
    rows.writerow(['tracker', 'sequence', *columns])
    for evaluation in evaluations:
        named = [(ALL_SEQUENCES, evaluation.scores), *((p.name, p.scores) for p in evaluation.parts)]
        for name, scores in named:
            rows.writerow([evaluation.tracker, name, *(_cell(scores, column) for column in columns)])
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def _tracker(evaluation: Evaluation) -> dict[str, Any]:
    return {
        'name': evaluation.tracker,
        'source': str(evaluation.source),
        'notes': list(evaluation.notes),
        'scores': _values(evaluation.scores),
        'curves': {
            name: [_number(value) for value in curve] for name, curve in evaluation.scores.curves.items()
        },
        'sequences': {part.name: _values(part.scores) for part in evaluation.parts},
    }


def _values(scores: Scores) -> dict[str, float | None]:
    return {name: _number(value) for name, value in scores.values.items()}


def _number(value: float) -> float | None:
    """JSON has neither nan nor infinity."""
    return float(value) if math.isfinite(value) else None


def _cell(scores: Scores, column: str) -> str:
    value = scores.values.get(column, math.nan)
    return repr(float(value)) if math.isfinite(value) else ''
