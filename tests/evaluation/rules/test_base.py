"""What holds for every rule: its columns, its shares, and what it says of nothing."""

from typing import Any

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.annotations.mot import MotTruth
from mmgtrack.evaluation.annotations.vot import VotTruth
from mmgtrack.evaluation.results.mot import MotRows
from mmgtrack.evaluation.results.oxuva import OxuvaPredictions
from mmgtrack.evaluation.results.proposals import Proposals
from mmgtrack.evaluation.results.vot import Trajectory
from mmgtrack.evaluation.rules.average_recall import AverageRecallRule
from mmgtrack.evaluation.rules.base import Part, Rule
from mmgtrack.evaluation.rules.got10k import Got10kResult, Got10kRule, NeuronGot10kRule
from mmgtrack.evaluation.rules.got10k_toolkit import Got10kToolkitLasotRule, Got10kToolkitRule
from mmgtrack.evaluation.rules.lsm import TlpRule
from mmgtrack.evaluation.rules.matlab import LasotMatlabRule, OtbMatlabRule
from mmgtrack.evaluation.rules.mmtrack import MmtrackRule
from mmgtrack.evaluation.rules.mot import MotRule
from mmgtrack.evaluation.rules.neuron import NeuronRule
from mmgtrack.evaluation.rules.oxuva import OxuvaRule
from mmgtrack.evaluation.rules.pysot import PysotRule
from mmgtrack.evaluation.rules.pytracking import PytrackingRule
from mmgtrack.evaluation.rules.pytracking_f1 import PytrackingF1Rule, ScoredBoxes
from mmgtrack.evaluation.rules.trackingnet import TrackingNetRule
from mmgtrack.evaluation.rules.vot_accuracy import VotAccuracyRule
from mmgtrack.evaluation.rules.vot_got10k import ResetRuns, VotGot10kRule
from mmgtrack.evaluation.rules.vot_long_term import VotLongTermRule
from mmgtrack.evaluation.rules.vot_multi_start import VotMultiStartRule
from mmgtrack.evaluation.rules.vot_reset import VotResetRule
from mmgtrack.formats.oxuva_labels import OxuvaTruth
from mmgtrack.formats.vot_regions import Regions

BOX = [11.0, 11.0, 10.0, 10.0]
FRAMES = 12
BOXES = np.tile(BOX, (FRAMES, 1))
ABSENT = np.arange(FRAMES) == 5
TRUTH = BoxTruth('car', BOXES, ABSENT, np.full(FRAMES, 8.0), (64, 48))
REGIONS = Regions.of([BOX] * FRAMES)
VOT_TRUTH = VotTruth('car', REGIONS, np.eye(FRAMES)[0], {}, (64, 48))
RUN = Trajectory(Regions.of([(1,), *[BOX] * (FRAMES - 1)]))
RESET = Regions.of([(1,), BOX, (2,), (0,), (1,), BOX, (2,), (0,), (1,), BOX, BOX, BOX])  # 2 failures
NUMBERS = np.arange(1, FRAMES + 1)
ROWS = MotRows(NUMBERS, np.ones(FRAMES, int), BOXES, np.ones(FRAMES))
SWITCHED = MotRows(NUMBERS, NUMBERS // 4, BOXES, np.ones(FRAMES))  # 3 switches
CORNERS = np.tile([0.2, 0.2, 0.6, 0.6], (FRAMES, 1))
LABELS = OxuvaTruth('vid_obj', 'vid', 'obj', 30 * NUMBERS, ~ABSENT, CORNERS)
SAID = OxuvaPredictions(30 * NUMBERS, ~ABSENT, np.ones(FRAMES), CORNERS)

one_pass = [
    LasotMatlabRule(),
    OtbMatlabRule(),
    TlpRule(),
    Got10kToolkitRule(),
    Got10kToolkitLasotRule(),
    NeuronRule(),
    MmtrackRule(),
    PysotRule(),
    PytrackingRule(),
    TrackingNetRule(),
]
SAMPLES: list[tuple[Rule[Any, Any], Any, Any]] = [
    *((rule, TRUTH, BOXES) for rule in one_pass),
    *(
        (rule, TRUTH, Got10kResult([BOXES], np.full((FRAMES, 1), 0.1)))
        for rule in (Got10kRule(), NeuronGot10kRule())
    ),
    (PytrackingF1Rule(), TRUTH, ScoredBoxes(BOXES)),
    (AverageRecallRule(), TRUTH, Proposals(np.arange(FRAMES), BOXES, np.ones(FRAMES))),
    (OxuvaRule(), LABELS, SAID),
    (MotRule(), MotTruth('car', ROWS), SWITCHED),
    (VotAccuracyRule(1), VOT_TRUTH, RUN),
    (VotLongTermRule(), VOT_TRUTH, RUN),
    (VotMultiStartRule(2, 5), VOT_TRUTH, (RUN,)),
    (VotResetRule(1, 3), VOT_TRUTH, Trajectory(RESET)),
    (VotGot10kRule(), VOT_TRUTH, ResetRuns((RESET,), np.full((FRAMES, 1), 0.1))),
]
every_rule = pytest.mark.parametrize(
    ('rule', 'truth', 'result'), SAMPLES, ids=[type(sample[0]).__name__ for sample in SAMPLES]
)


def part_of(rule: Rule[Any, Any], truth: Any, result: Any) -> Part:
    for rule_type, package in ((MotRule, 'trackeval'), (VotGot10kRule, 'shapely')):
        if isinstance(rule, rule_type):
            pytest.importorskip(package)
    return rule.measure(truth, result)


def test_every_rule_is_here() -> None:
    def below(rule: type) -> set[type]:
        kinds = {kind for each in rule.__subclasses__() for kind in below(each)}
        return kinds if rule.__abstractmethods__ else kinds | {rule}

    ours = {kind for kind in below(Rule) if kind.__module__.startswith('mmgtrack.')}
    assert ours == {type(rule) for rule, _, _ in SAMPLES}


@every_rule
def test_a_total_has_every_column_and_a_part_all_but_errors(
    rule: Rule[Any, Any], truth: Any, result: Any
) -> None:
    part = part_of(rule, truth, result)
    total = rule.total([part, part]).values
    assert set(rule.columns) <= set(total)
    assert set(part.scores.values) == {name for name in total if not name.endswith('_error')}


@every_rule
def test_what_is_not_absolute_is_a_share(rule: Rule[Any, Any], truth: Any, result: Any) -> None:
    part = part_of(rule, truth, result)
    total = rule.total([part, part]).values
    assert rule.absolute <= set(total)
    beyond_one = {name for name, value in total.items() if value > 1 + 1e-9}
    assert beyond_one == set(rule.absolute)
    assert all(name in rule.absolute for name in ('fps', 'failures', 'id_switches') if name in total)


@every_rule
def test_without_errors_all_other_numbers_stay(rule: Rule[Any, Any], truth: Any, result: Any) -> None:
    part = part_of(rule, truth, result)
    total = rule.total([part, part]).values
    quick = rule.without_errors().total([part, part]).values
    np.testing.assert_equal(quick, {name: total[name] for name in total if not name.endswith('_error')})


@every_rule
def test_nothing_has_no_total(rule: Rule[Any, Any], truth: Any, result: Any) -> None:
    with pytest.raises(DataError, match='expected the numbers of at least one sequence, got none'):
        rule.total([])
