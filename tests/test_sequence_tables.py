"""Published lists of sequences: known numbers of sequences and frames, and what can be looked up in them."""

from collections import Counter

import pytest

from mmgtrack.errors import DataError
from mmgtrack.sequence_tables import available_tables, load_table

# sequences as the benchmarks' papers count them, and all annotated frames where the list has them
KNOWN = {
    'dtb70': (70, 15_777),
    'got10k_test': (180, None),
    'got10k_val': (180, None),
    'lasot': (280, None),
    'lasot_ext': (150, None),
    'nfs240': (100, None),
    'nfs30': (100, 47_953),
    'otb2015': (100, 59_040),
    'otb2013': (51, 29_491),
    'oxuva_dev': (200, None),
    'oxuva_test': (166, None),
    'tb50': (50, 26_972),
    'tcolor128': (129, 55_346),  # 128 videos, one of them with two targets
    'tlp': (50, 676_431),
    'tiny_tlp': (50, 30_000),
    'trackingnet_test': (511, None),
    'uav123': (123, 112_578),
    'uav20l': (20, 58_670),
    'vot2018_longterm': (35, None),
    'vot2018': (60, None),
    'vot2019_longterm': (50, None),
    'vot2019': (60, None),
    'vot2020': (60, None),
    'vot2022': (62, None),
}


def test_all_lists_are_known() -> None:
    assert available_tables() == tuple(sorted(KNOWN))


@pytest.mark.parametrize('name', KNOWN)
def test_numbers(name: str) -> None:
    table = load_table(name)
    assert (len(table.names), table.frames) == KNOWN[name]
    assert table.name == name and table.title and table.source


@pytest.mark.parametrize('name', KNOWN)
def test_entries_are_sound(name: str) -> None:
    table = load_table(name)
    called = Counter(each for entry in table.entries for each in (entry.name, *entry.other_names))
    assert max(called.values()) == 1
    for entry in table.entries:
        assert entry.folder and '\\' not in entry.folder and not entry.folder.startswith('/')
        if entry.start is not None and entry.end is not None:
            assert 0 <= entry.start < entry.end
            assert entry.frames in (None, entry.end - entry.start + 1)


@pytest.mark.parametrize(
    'part, whole', [('otb2013', 'otb2015'), ('tb50', 'otb2015'), ('vot2018_longterm', 'vot2019_longterm')]
)
def test_parts_of_another_list(part: str, whole: str) -> None:
    assert set(load_table(part).entries) <= set(load_table(whole).entries)


def test_classes_of_lasot() -> None:
    counts = Counter(name.rpartition('-')[0] for name in load_table('lasot').names)
    assert (len(counts), set(counts.values())) == (70, {4})
    new = Counter(name.rpartition('-')[0] for name in load_table('lasot_ext').names)
    assert (len(new), set(new.values())) == (15, {10})
    assert not set(new) & set(counts)


def test_oxuva_splits_share_its_337_videos() -> None:
    dev, test = (
        {name.split('_')[0] for name in load_table(f'oxuva_{part}').names} for part in ('dev', 'test')
    )
    assert not dev & test
    assert dev | test == {f'vid{number:04d}' for number in range(337)}
    for entry in (*load_table('oxuva_dev').entries, *load_table('oxuva_test').entries):
        assert entry.start is not None and entry.end is not None
        assert entry.start % 30 == entry.end % 30 == 0  # one label a second


def test_sequences_cut_out_of_one_recording() -> None:
    parts = [load_table('uav123').find(f'bird1_{k}') for k in (1, 2, 3)]
    assert [(part.start, part.end) for part in parts] == [(1, 253), (775, 1477), (1573, 2437)]
    assert {part.folder for part in parts} == {'data_seq/UAV123/bird1'}


def test_quirks_of_otb() -> None:
    otb = load_table('otb2015')
    assert (otb.find('David').start, otb.find('David').frames) == (300, 471)
    assert otb.find('Board').digits == 5
    assert otb.find('Tiger1').init_omit == 5
    assert otb.find('Human4').annotation == 'Human4/groundtruth_rect.2.txt'


@pytest.mark.parametrize(
    'table, called, name',
    [
        ('otb2013', 'Jogging_1', 'Jogging-1'),
        ('otb2013', 'jogging.2', 'Jogging-2'),
        ('otb2015', 'human4', 'Human4-2'),
        ('otb2015', 'singer1', 'Singer1'),
        ('nfs30', 'nfs_Gymnastics', 'Gymnastics'),
        ('tcolor128', 'tpl_Yo_yos_ce1', 'Yo-yos_ce1'),
    ],
)
def test_other_names(table: str, called: str, name: str) -> None:
    assert load_table(table).find(called).name == name


def test_unknown_names() -> None:
    with pytest.raises(DataError, match=r"no list of sequences 'lasott'.*lasot"):
        load_table('lasott')
    with pytest.raises(DataError, match=r"LaSOT test set.*'airplane-2'.*airplane-1"):
        load_table('lasot').find('airplane-2')
