"""The official layouts that the other tests write, and the rule that makes weights, against the recording."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.convert.stark_official import stark_shapes
from tests.oracles.cases import oracle_folder
from tests.oracles.stark_weights import SCORE_BIAS, official_shapes, official_weights

KINDS = ('S50', 'ST50', 'ST101', 'Lightning')


def recorded() -> Path:
    folder = oracle_folder() / 'stark'
    if not folder.is_dir():
        pytest.skip(f'nothing recorded: {folder} does not exist')
    return folder


@pytest.mark.parametrize('kind', KINDS)
def test_the_official_layout_is_the_recorded_one(kind: str) -> None:
    assert official_shapes(recorded(), kind) == stark_shapes(kind)


@pytest.mark.parametrize('kind', KINDS)
def test_weights_by_the_recorded_rule(kind: str) -> None:
    """Sum and sum of squares of every tensor, in float64."""
    folder = recorded()
    table: dict[str, Any] = json.loads((folder / 'weight_checksums.json').read_text())
    sums = {
        name: entry[1:] for name, entry in table['lightning' if kind == 'Lightning' else 'common'].items()
    }
    sums[SCORE_BIAS] = table['cls_head_last_bias'].get(kind)
    for name, weight in official_weights(folder, kind).items():
        found = weight.double()
        assert [found.sum().item(), found.square().sum().item()] == pytest.approx(sums[name], rel=1e-12), name


def test_the_rule_of_a_case_is_used() -> None:
    folder = recorded()
    spec = json.loads((folder / 'train_S50' / 'case.json').read_text())
    usual, sharper = official_weights(folder, 'S50'), official_weights(folder, 'S50', spec['rule'])
    changed = [name for name in usual if not torch.equal(usual[name], sharper[name])]
    assert changed == ['box_head.conv5_tl.weight', 'box_head.conv5_br.weight']
    torch.testing.assert_close(sharper[changed[1]], usual[changed[1]] * (6 / 2.5))
