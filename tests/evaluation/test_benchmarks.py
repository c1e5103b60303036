"""The frozen records: names, lists, and rules that say what they do."""

import dataclasses

import pytest

from mmgtrack.errors import InputError
from mmgtrack.evaluation.benchmarks import BENCHMARKS, Protocol, all_protocols, find_protocol
from mmgtrack.sequence_tables import load_table

PROTOCOLS = all_protocols()

protocols = pytest.mark.parametrize('protocol', PROTOCOLS, ids=lambda protocol: protocol.name)


def test_names_are_unique() -> None:
    assert len({protocol.name for protocol in PROTOCOLS}) == len(PROTOCOLS)


@protocols
def test_a_protocol_is_found_by_its_name(protocol: Protocol) -> None:
    assert find_protocol(protocol.name) == protocol


@protocols
def test_a_rule_states_itself_in_one_line(protocol: Protocol) -> None:
    rule = protocol.rule
    assert rule.text and '\n' not in rule.text
    assert rule.program and '\n' not in rule.program
    assert rule.columns and rule.absolute <= set(rule.columns)


@pytest.mark.parametrize('benchmark', BENCHMARKS, ids=lambda benchmark: benchmark.name)
def test_records_are_frozen_and_their_lists_exist(benchmark) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        benchmark.name = 'other'
    if benchmark.table is not None:
        assert len(load_table(benchmark.table).names) > 0


def test_names_are_found_in_any_case() -> None:
    assert find_protocol('LaSOT@PySOT').name == 'lasot@pysot'


def test_a_rule_that_a_benchmark_does_not_have() -> None:
    with pytest.raises(InputError, match=r'vot2022 is not judged by a rule .pysot., but: vot2022$'):
        find_protocol('vot2022@pysot')


@pytest.mark.parametrize(
    ('name', 'hint'),
    [('lassot', 'lasot'), ('lasot@pysott', 'lasot@pysot'), ('got10k', 'did you mean got10k_val,')],
)
def test_an_unknown_protocol_lists_its_neighbours(name: str, hint: str) -> None:
    with pytest.raises(InputError, match=f'no protocol {name!r}.*{hint}'):
        find_protocol(name)
