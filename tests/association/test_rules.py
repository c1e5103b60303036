"""One place for every threshold, and docs/association.md agrees with it."""

import re
from dataclasses import fields
from typing import Any

import pytest

from mmgtrack.association import AssociationRules
from mmgtrack.errors import InputError
from tests.pages import ROOT, blocks_of

PAGE = ROOT / 'docs' / 'association.md'


def test_of_a_config() -> None:
    assert AssociationRules.of({}) == AssociationRules()
    assert AssociationRules.of({'gate': 20, 'lost_buffer': 60}) == AssociationRules(gate=20, lost_buffer=60)


@pytest.mark.parametrize(
    'config, message',
    [
        ({'lost_bufer': 3}, "no rule 'lost_bufer': did you mean 'lost_buffer'?"),
        ({'lost_buffer': 2.5}, 'association.lost_buffer must be a whole number of at least 1, got 2.5'),
        ({'max_tracklets': 0}, 'association.max_tracklets must be a whole number of at least 1, got 0'),
        ({'match_limit': 1.5}, 'association.match_limit must be in [0, 1], got 1.5'),
        ({'match_limit': '0.5'}, "association.match_limit must be a number of at least 0, got '0.5'"),
        ({'gate': float('nan')}, 'association.gate must be a number above 0, got nan'),
        ({'gate': 0}, 'association.gate must be a number above 0, got 0'),
        ({'smoothing': -0.1}, 'association.smoothing must be a number of at least 0, got -0.1'),
        ({'smoothing': True}, 'association.smoothing must be a number of at least 0, got True'),
        (
            {'motion_weight': 0, 'score_weight': 0},
            'association needs a motion_weight or score_weight above 0',
        ),
    ],
)
def test_rules_that_are_none(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        AssociationRules.of(config)


def test_the_page_has_every_default() -> None:
    rows = re.findall(r'^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|', PAGE.read_text(encoding='utf-8'), re.MULTILINE)
    documented = {name: float(default) for name, default, _ in rows}
    assert documented == {field.name: field.default for field in fields(AssociationRules)}


def test_the_example_of_the_page() -> None:
    (block,) = blocks_of(PAGE, 'python')
    exec(compile(block, PAGE.name, 'exec'), {})


def test_every_rule_is_explained_where_it_is_defined() -> None:
    explained = re.findall(r'``(\w+)``', AssociationRules.__doc__ or '')
    assert set(explained) == {field.name for field in fields(AssociationRules)}
