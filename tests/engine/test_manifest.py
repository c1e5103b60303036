import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

from mmgtrack.engine.manifest import describe_run, differences, hash_of_weights
from mmgtrack.models.fast_path import speed_up
from tests.trackers import small_stark


@pytest.mark.parametrize(
    'before, now, expected',
    [
        ({}, {}, []),
        ({'a': 1, 'b': {'c': [1, 2]}}, {'a': 1, 'b': {'c': [1, 2]}}, []),
        ({'a': 1}, {'a': 2}, ['a (1, now 2)']),
        (
            {'b': {'c': 1, 'd': 2}},
            {'b': {'c': 3, 'e': 4}},
            ['b.c (1, now 3)', 'b.d (2, now nothing)', 'b.e (nothing, now 4)'],
        ),
        ({'b': {'c': 1}}, {'b': None}, ["b ({'c': 1}, now None)"]),
        ({'a': 'x' * 40}, {'a': 'y'}, ['a (xxxxxxxxxxxx..., now y)']),
    ],
)
def test_what_differs_is_named(before: Any, now: Any, expected: list[str]) -> None:
    assert differences(before, now) == expected


def test_the_hash_is_of_the_weights_whatever_their_layout() -> None:
    tracker = small_stark()
    before = hash_of_weights(tracker)
    tracker.to(memory_format=torch.channels_last)
    assert hash_of_weights(tracker) == before
    with torch.no_grad():
        next(tracker.parameters()).mul_(1.01)
    assert hash_of_weights(tracker) != before


def test_what_has_no_effect_is_left_out() -> None:
    tracker = small_stark()
    names, groups = ['a', 'b'], [(0,), (1,)]
    model, reader = {'type': 'Net', 'depth': 3}, {'type': 'Reader', 'table': 'x'}
    plain = describe_run(tracker, model, reader, names, groups)
    more = describe_run(
        tracker, {**model, 'train_cfg': {}, 'init_cfg': {}}, {**reader, 'root': '/elsewhere'}, names, groups
    )
    assert differences(plain, more) == []
    # companions count only where there are some
    assert differences(plain, describe_run(tracker, model, reader, names, [(1,), (0,)])) == []
    together = describe_run(tracker, model, reader, names, [(0, 1)])
    assert [text.split()[0] for text in differences(plain, together)] == ['videos_per_batch', 'data.groups']


def test_the_fast_path_and_precision_count() -> None:
    plain = describe_run(small_stark(), {}, {}, ['a'], [(0,)])
    fast = small_stark()
    speed_up(fast, 'bfloat16')
    found = differences(plain, describe_run(fast, {}, {}, ['a'], [(0,)]))
    assert 'fast_path (False, now True)' in found and 'precision (float32, now bfloat16)' in found


def test_code_of_a_part_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a head, say, whose tracker is ours."""
    file = tmp_path / 'own_part_of_a_test.py'
    file.write_text('from torch import nn\n\n\nclass Part(nn.Identity):\n    pass\n')
    monkeypatch.syspath_prepend(tmp_path)
    tracker = small_stark()
    tracker.add_module('own', importlib.import_module(file.stem).Part())
    before = describe_run(tracker, {}, {}, ['a'], [(0,)])
    assert differences(before, describe_run(tracker, {}, {}, ['a'], [(0,)])) == []
    file.write_text(file.read_text() + '# edited\n')
    (unlike,) = differences(before, describe_run(tracker, {}, {}, ['a'], [(0,)]))
    assert unlike.startswith('code.sources')
