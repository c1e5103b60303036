"""ClipSample: what it holds survives the way between processes, copying and moving."""

import copy
import pickle
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmgtrack.structures import ClipSample


def sample(masks: bool = True) -> ClipSample:
    data = ClipSample(metainfo={'negative': False, 'source': {'query': 'a.jpg', 'search': 'b.jpg'}})
    data.instances = {
        'query': InstanceData(
            metainfo={'size': (8, 9)},
            bboxes=torch.rand(2, 4),
            ids=torch.arange(2),
            labels=torch.zeros(2, dtype=torch.int64),
            names=['cup', 'dog'],
            shares=np.array([0.5, 1.0]),
            half=torch.rand(2).bfloat16(),
        ),
        'search': InstanceData(bboxes=torch.zeros(0, 4), ids=torch.zeros(0, dtype=torch.int64)),
    }
    if masks:
        data.masks = {'search': torch.rand(5, 6) > 0.5}
    return data


def by_torch(data: ClipSample) -> ClipSample:
    """As between a loader's process and the training process."""
    return pickle.loads(ForkingPickler.dumps(data))


def by_pickle(data: ClipSample) -> ClipSample:
    return pickle.loads(pickle.dumps(data))


@pytest.mark.parametrize('passed', [by_torch, by_pickle, copy.deepcopy, copy.copy, ClipSample.clone])
@pytest.mark.parametrize('masks', [True, False])
def test_everything_arrives(passed: Callable[[ClipSample], ClipSample], masks: bool) -> None:
    before = sample(masks)
    after = passed(before)
    assert after.metainfo == before.metainfo and set(after.keys()) == set(before.keys())
    assert list(after.instances) == ['query', 'search']
    for role, instances in after.instances.items():
        expected = before.instances[role]
        assert instances.metainfo == expected.metainfo and len(instances) == len(expected)
        for name, value in expected.items():
            assert type(instances[name]) is type(value)
            if isinstance(value, torch.Tensor):
                assert torch.equal(instances[name], value) and instances[name].dtype == value.dtype
            else:
                assert list(instances[name]) == list(value)
    assert ('masks' in after) == masks
    if masks:
        assert torch.equal(after.masks['search'], before.masks['search'])
        after.masks['search'][0, 0] = True  # it can be written to


def test_moving_and_deep_copies_leave_the_original_alone() -> None:
    before = sample()
    boxes = before.instances['query'].bboxes.clone()
    for after in (before.to(torch.float64), copy.deepcopy(before), by_pickle(before)):
        after.instances['query'].bboxes[:] = -1
        assert torch.equal(before.instances['query'].bboxes, boxes)
