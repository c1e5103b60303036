"""Every data set by name: it has a reader, and what it names elsewhere exists."""

import inspect
from pathlib import Path

import pytest

from mmgtrack.datasets.catalogue import DataSet, available_data_sets, find_data_set, reader_config
from mmgtrack.datasets.layouts import LAYOUTS
from mmgtrack.errors import DataError, InputError
from mmgtrack.evaluation.benchmarks import BENCHMARKS, find_protocol
from mmgtrack.evaluation.submissions import FROM_ANNOTATIONS, TABLES
from mmgtrack.registry import DATASETS
from mmgtrack.sequence_tables import load_table

DATA_SETS = available_data_sets()
# judged from files that no reader of ours yields: MOT text, and boxes without images
NOT_READ = {'mot', 'recall', 'own', 'flat', 'vot_unsupervised'}


def test_every_benchmark_of_frames_has_a_data_set_of_its_name() -> None:
    names = {data_set.name for data_set in DATA_SETS}
    assert {benchmark.name for benchmark in BENCHMARKS} - NOT_READ <= names
    assert len(names) == len(DATA_SETS)


@pytest.mark.parametrize('data_set', DATA_SETS, ids=lambda data_set: data_set.name)
def test_what_a_data_set_names_exists(data_set: DataSet, tmp_path: Path) -> None:
    reader = DATASETS.get(data_set.reader['type'])
    options = {key: value for key, value in data_set.reader.items() if key != 'type'}
    assert reader is not None
    inspect.signature(reader).bind(root='data', **options)
    if data_set.protocol is not None:
        assert find_protocol(data_set.protocol).benchmark.table == options.get('table', _own_list(data_set))
    if data_set.submission is not None:
        assert data_set.submission in FROM_ANNOTATIONS
    for list_name in filter(None, (options.get('table'), options.get('without'))):
        assert load_table(list_name).entries
    assert options.get('layout', 'otb') in LAYOUTS
    with pytest.raises(DataError, match=r'no folder|cannot read'):
        DATASETS.build(reader_config(data_set.name, tmp_path / 'nowhere'))


def _own_list(data_set: DataSet) -> str | None:
    """Lists that come with the data, so that the reader needs none of ours."""
    return {'got10k_val': 'got10k_val', 'oxuva_dev': 'oxuva_dev'}.get(data_set.name)


def test_servers_judge_what_has_no_protocol() -> None:
    kinds = {data_set.submission for data_set in DATA_SETS if data_set.submission and not data_set.protocol}
    assert kinds == set(TABLES)


def test_names_are_found_in_any_case_and_near_ones_are_told() -> None:
    assert find_data_set('LaSOT').name == 'lasot'
    with pytest.raises(InputError, match="no data set 'lasto'; did you mean lasot"):
        find_data_set('lasto')
    assert reader_config('dtb70', Path('data/dtb70')) == {
        'type': 'mmgtrack.BenchmarkReader',
        'layout': 'dtb70',
        'table': 'dtb70',
        'root': 'data/dtb70',
    }


def test_every_data_set_is_documented() -> None:
    text = (Path(__file__).parents[2] / 'docs' / 'datasets.md').read_text(encoding='utf-8')
    assert [data_set.name for data_set in DATA_SETS if f'`{data_set.name}`' not in text] == []
