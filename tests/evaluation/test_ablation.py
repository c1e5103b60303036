"""Numbers of variants side by side: scores by hand, common sequences, tables."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mmgtrack.datasets import Sequence
from mmgtrack.errors import DataError
from mmgtrack.evaluation.ablation import (
    Variant,
    as_dict,
    as_markdown,
    common_sequences,
    from_dict,
    joined,
    lines,
    sequence_scores,
)
from mmgtrack.evaluation.success import success_auc, success_rate

NAN = float('nan')
FULL = Variant('full', {'a': dict(auc=0.6, op=0.7), 'b': dict(auc=0.4, op=0.5), 'c': dict(auc=0.9, op=1.0)})
PLAIN = Variant('plain', {'b': dict(auc=0.3, op=0.1), 'a': dict(auc=0.5, op=0.2), 'c': dict(auc=NAN, op=NAN)})
MISSING = Variant('R-50', problem='no checkpoint in work_dirs/r50')


def test_success_rate_counts_overlaps_above_the_threshold() -> None:
    truth = np.array([[0, 0, 10, 10]] * 5 + [[NAN] * 4], float)
    # IoU 1, 0.5 (not above), 0.6, none, no number; the last frame has no truth
    found = np.array(
        [[0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 6], [20, 20, 30, 30], [NAN] * 4, [0, 0, 1, 1]], float
    )
    assert success_rate(found, truth) == pytest.approx(2 / 5)
    assert success_rate(found, truth, 0.4) == pytest.approx(3 / 5)
    assert np.isnan(success_rate(found[5:], truth[5:])) and np.isnan(success_auc(found[5:], truth[5:]))
    with pytest.raises(DataError, match=r'expected \(6, 4\) predicted boxes, got \(5, 4\)'):
        success_rate(found[:5], truth)


def test_every_target_of_the_first_frame_counts_from_the_second_on() -> None:
    boxes = np.tile(np.array([[0, 0, 10, 10], [50, 50, 60, 60], [5, 5, 9, 9]], np.float32), (4, 1, 1))
    present = np.ones((4, 3), bool)
    present[2, 0] = False
    video = Sequence('v', tuple('0123'), boxes, present, np.ones_like(present))
    tracked = boxes[:, :2].astype(float)
    tracked[0], tracked[2, 0], tracked[3, 1] = (
        0,
        0,
        0,
    )  # the first frame, and one without the target: no matter
    scores = sequence_scores(video, dict(targets=np.array([0, 1]), boxes=tracked))
    assert list(scores) == ['v#1', 'v#2']
    assert (scores['v#1']['op'], scores['v#2']['op']) == pytest.approx((1, 2 / 3))
    assert scores['v#1']['auc'] == pytest.approx(20 / 21)


def test_means_are_over_the_sequences_that_all_variants_have() -> None:
    assert common_sequences([FULL, MISSING, PLAIN]) == ['a', 'b']
    full, plain = lines([FULL, MISSING, PLAIN])
    assert (full.name, plain.name) == ('full', 'plain')
    assert full.means['auc'][0] == pytest.approx(0.5) and plain.means['op'][0] == pytest.approx(0.15)
    assert plain.differences['auc'] == pytest.approx((-0.1, -0.1, -0.1))  # the same for both: paired
    value, low, high = plain.differences['op']
    assert value == pytest.approx(-0.45) and low == pytest.approx(-0.5) and high == pytest.approx(-0.4)
    assert full.differences['op'] == (0, 0, 0)
    assert lines([MISSING]) == []


def test_json_has_null_for_what_is_no_number() -> None:
    report = json.loads(json.dumps(as_dict([FULL, PLAIN, MISSING]), allow_nan=False))
    assert report['sequences'] == ['a', 'b']
    full, plain, missing = report['rows']
    assert full['means']['auc'][0] == pytest.approx(0.5) and full['problem'] is None
    assert plain['sequences']['c'] == {'auc': None, 'op': None}
    assert (missing['means'], missing['problem']) == (None, 'no checkpoint in work_dirs/r50')


def test_markdown_has_a_row_for_every_variant_and_sequence() -> None:
    text = as_markdown([FULL, PLAIN, MISSING])
    assert 'Means of 2 sequences' in text
    assert '| full | 50.0 [40.0, 60.0] | 60.0 [50.0, 70.0] | - | - |' in text
    assert '| plain | 40.0 [30.0, 50.0] | 15.0 [10.0, 20.0] | -10.0 [-10.0, -10.0] |' in text
    assert '| R-50 | - | - | - | - |' in text and 'R-50: no checkpoint in work_dirs/r50' in text
    assert '| a | 60.0 | 70.0 | 50.0 | 20.0 |' in text and '| c |' not in text
    alone = as_markdown([MISSING, FULL])
    assert 'above' not in alone and '| R-50 | - | - |\n' in alone and '| full | 63.3 [40.0, 90.0] |' in alone
    assert '| R-50 | - |' in as_markdown([MISSING]) and 'sequence,' not in as_markdown([MISSING])


def test_one_sequence_has_no_bounds() -> None:
    single = Variant('one', {'a': FULL.sequences['a']})
    assert '| one | 60.0 [-, -] | 70.0 [-, -] |' in as_markdown([single])
    (row,) = json.loads(json.dumps(as_dict([single]), allow_nan=False))['rows']
    assert row['means'] == {'auc': [0.6, None, None], 'op': [0.7, None, None]}


def test_nothing_in_common_has_no_number() -> None:
    text = as_markdown([Variant('one', {'a': FULL.sequences['a']}), Variant('b', {'b': FULL.sequences['b']})])
    assert 'nan' not in text and 'above' not in text and '| one | - | - |' in text


def test_notes_name_the_checkpoint_and_what_was_chosen() -> None:
    settings = dict(
        checkpoint='x/work/full/epoch_8.pth', epoch=8, chosen=dict(steps=20, lr=0.1), at_edge=['lr']
    )
    text = as_markdown([replace(FULL, settings=settings)])
    assert (
        '- full: full/epoch_8.pth, epoch 8, steps=20 chosen, lr=0.1 chosen, at the edge of its grid\n' in text
    )


def test_a_table_goes_on_with_what_it_has() -> None:
    earlier = from_dict(json.loads(json.dumps(as_dict([FULL, PLAIN, MISSING]))))
    assert [each.name for each in earlier] == ['full', 'plain', 'R-50']
    assert as_markdown(earlier) == as_markdown([FULL, PLAIN, MISSING])
    new = [
        Variant('none', FULL.sequences),
        Variant('full', problem='no memory'),
        Variant('R-50', FULL.sequences),
    ]
    none, plain, full, r50 = joined(new, earlier, ['none', 'plain', 'full'])
    assert (none.name, plain.name, full.name, r50.name) == ('none', 'plain', 'full', 'R-50')
    assert full.sequences == FULL.sequences and r50.sequences and not r50.problem
    assert full.problem == 'numbers of an earlier run; this one: no memory'
    with pytest.raises(DataError, match='expected a table of variants'):
        from_dict({'rows': [{'name': 'x'}]})
