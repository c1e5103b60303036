"""Every data set by name: where it is looked for, and how it is read."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmgtrack.errors import InputError
from mmgtrack.packaged_configs import suggest


@dataclass(frozen=True)
class DataSet:
    """A data set by name.

    name: that of the benchmark in `mmgtrack.evaluation.benchmarks`, where there is one. title: for people.
    folder: where it is below the data folder (MMGTRACK_DATA, or ``data``). reader: config of the registered
    reader without ``root``. protocol: a name for ``find_protocol``; None: no ground truth is published.
    submission: what its server takes, a kind for ``mmgtrack submit``; None: its ground truth is open.
    """

    name: str
    title: str
    folder: str
    reader: Mapping[str, Any]
    protocol: str | None = None
    submission: str | None = None


def _benchmark(
    name: str, title: str, folder: str, kind: str, submission: str | None = None, **options: Any
) -> DataSet:
    """One that has a protocol of its name."""
    return DataSet(name, title, folder, {'type': f'mmgtrack.{kind}', **options}, name, submission)


def _data_set(name: str, title: str, folder: str, kind: str, **options: Any) -> DataSet:
    """One to train on, or without a protocol."""
    return DataSet(name, title, folder, {'type': f'mmgtrack.{kind}', **options})


def _placed(name: str, title: str, folder: str, layout: str) -> DataSet:
    return _benchmark(name, title, folder, 'BenchmarkReader', layout=layout, table=name)


def _vot(name: str, title: str, table: str | None) -> DataSet:
    return _benchmark(name, title, name, 'VOT', 'vot', table=table)


_OWN = {'type': 'mmgtrack.SequenceFolder'}

DATA_SETS = (
    _benchmark('lasot', 'LaSOT, test set', 'lasot', 'LaSOT', table='lasot'),
    _data_set('lasot_train', 'LaSOT, training set', 'lasot', 'LaSOT', without='lasot'),
    _benchmark('lasot_ext', 'LaSOT extension', 'lasot_ext', 'LaSOT', table='lasot_ext'),
    _data_set('got10k_train', 'GOT-10k, train', 'got10k', 'GOT10k', split='train'),
    _benchmark('got10k_val', 'GOT-10k, val', 'got10k', 'GOT10k', split='val'),
    DataSet(
        'got10k_test',
        'GOT-10k, test',
        'got10k',
        {'type': 'mmgtrack.GOT10k', 'split': 'test'},
        submission='got10k',
    ),
    _data_set('trackingnet_train', 'TrackingNet, training set', 'trackingnet', 'TrackingNet'),
    DataSet(
        'trackingnet',
        'TrackingNet, test set',
        'trackingnet',
        {'type': 'mmgtrack.TrackingNet', 'split': 'test'},
        submission='trackingnet',
    ),
    _placed('otb2013', 'OTB-2013', 'otb', 'otb'),
    _placed('tb50', 'TB-50', 'otb', 'otb'),
    _placed('otb2015', 'OTB-2015 (OTB-100)', 'otb', 'otb'),
    _placed('uav123', 'UAV123', 'uav123', 'uav123'),
    _placed('uav20l', 'UAV20L', 'uav123', 'uav20l'),
    _placed('nfs30', 'NfS, 30 frames a second', 'nfs', 'nfs30'),
    _placed('nfs240', 'NfS, 240 frames a second', 'nfs', 'nfs240'),
    _placed('tcolor128', 'TColor-128', 'tcolor128', 'tcolor128'),
    _placed('dtb70', 'DTB70', 'dtb70', 'dtb70'),
    _placed('tlp', 'TLP', 'tlp', 'tlp'),
    _placed('tiny_tlp', 'TinyTLP', 'tlp', 'tiny_tlp'),
    _data_set('tnl2k', 'TNL2K, test set', 'tnl2k/test', 'BenchmarkReader', layout='tnl2k'),
    _data_set('tnl2k_train', 'TNL2K, training set', 'tnl2k/train', 'BenchmarkReader', layout='tnl2k'),
    _benchmark('oxuva_dev', 'OxUvA, dev', 'oxuva', 'OxUvA', split='dev'),
    DataSet(
        'oxuva_test',
        'OxUvA, test',
        'oxuva',
        {'type': 'mmgtrack.OxUvA', 'split': 'test'},
        submission='oxuva',
    ),
    _vot('vot2018', 'VOT2018', 'vot2018'),
    _vot('vot2019', 'VOT2019', 'vot2019'),
    _vot('vot2020', 'VOT2020', 'vot2020'),
    _vot('vot2021', 'VOT2021', None),
    _vot('vot2022', 'VOT2022', 'vot2022'),
    _vot('vot2018_longterm', 'VOT2018 long-term', 'vot2018_longterm'),
    _vot('vot2019_longterm', 'VOT2019 and VOT2020 long-term', 'vot2019_longterm'),
    _vot('vot_longterm', 'VOT long-term, any workspace', None),
    _data_set('davis2016', 'DAVIS 2016, val', 'davis', 'DAVIS', year=2016, split='val'),
    _data_set('davis2017', 'DAVIS 2017, val', 'davis', 'DAVIS', year=2017, split='val'),
    _data_set(
        'coco',
        'COCO, train2017',
        'coco',
        'CocoImages',
        annotations='annotations/instances_train2017.json',
        image_folder='train2017',
    ),
    _data_set('lvis', 'LVIS v1, train', 'coco', 'CocoImages', annotations='annotations/lvis_v1_train.json'),
    _data_set(
        'voc',
        'PASCAL VOC 2007 and 2012, trainval, as COCO json',
        'voc',
        'CocoImages',
        annotations='annotations/voc0712_trainval.json',
    ),
    _data_set(
        'objects365',
        'Objects365 v2, train',
        'objects365',
        'CocoImages',
        annotations='annotations/zhiyuan_objv2_train.json',
        image_folder='train',
        path_parts=2,
    ),
    DataSet('folder', 'own sequences, a folder each', 'sequences', _OWN, 'own'),
    _data_set('video', 'own video files with boxes', 'videos', 'VideoBoxes'),
)


def available_data_sets() -> tuple[DataSet, ...]:
    """All of them, benchmarks of tracking first."""
    return DATA_SETS


def find_data_set(name: str) -> DataSet:
    """The data set of that name, in upper or lower case.

    Raises InputError that lists the nearest names for an unknown one.
    """
    known = {data_set.name: data_set for data_set in DATA_SETS}
    found = known.get(name.casefold())
    if found is None:
        raise InputError(f'there is no data set {name!r}; {suggest(name.casefold(), known)}')
    return found


def reader_config(name: str, root: str | os.PathLike[str]) -> dict[str, Any]:
    """Config of the reader of a data set that lies in ``root``, for ``DATASETS.build``."""
    return {**find_data_set(name).reader, 'root': os.fspath(root)}


def name_of_reader(settings: Mapping[str, Any]) -> str:
    """What to call what a reader's config reads: a data set's name, or the reader's in lower case."""
    return next(
        (
            data_set.name
            for data_set in sorted(DATA_SETS, key=lambda data_set: -len(data_set.reader))
            if all(settings.get(key) == value for key, value in data_set.reader.items())
        ),
        str(settings.get('type', 'data')).rpartition('.')[2].lower(),
    )
