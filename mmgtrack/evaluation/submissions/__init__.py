"""Results for a benchmark's server: checked against its test set and packed as it wants them."""

from mmgtrack.evaluation.submissions.expected import (
    FROM_ANNOTATIONS,
    TABLES,
    Expected,
    expected_sequences,
    listed_sequences,
    table_sequences,
)
from mmgtrack.evaluation.submissions.packing import (
    COLLECTORS,
    check_submission,
    collector_of,
    pack_submission,
    shown_problems,
)

__all__ = [
    'COLLECTORS',
    'FROM_ANNOTATIONS',
    'TABLES',
    'Expected',
    'check_submission',
    'collector_of',
    'expected_sequences',
    'listed_sequences',
    'pack_submission',
    'shown_problems',
    'table_sequences',
]
