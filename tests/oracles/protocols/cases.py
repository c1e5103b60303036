"""Readers of the recorded cases of box benchmarks: annotations, and results of each tracker."""

from __future__ import annotations

from mmgtrack.evaluation.annotations.base import Annotations, BoxTruth
from mmgtrack.evaluation.annotations.lasot import LaSOT
from mmgtrack.evaluation.annotations.nfs import NfS
from mmgtrack.evaluation.annotations.otb import OTB
from mmgtrack.evaluation.annotations.plain import DTB70, UAV123, Flat, TColor128
from mmgtrack.evaluation.annotations.tlp import TLP
from mmgtrack.evaluation.results.files import ResultFiles

from ..cases import OracleCase


def annotations_of(case: OracleCase) -> Annotations[BoxTruth]:
    """By the case's layout: LaSOT's toolkit, UAV123, flat files, or a folder a sequence."""
    if (case.folder / 'annos').is_dir():
        return LaSOT(case.folder)
    if (case.folder / 'anno' / 'UAV123').is_dir():
        return UAV123(case.folder)
    if (case.folder / 'anno').is_dir():
        return Flat(case.folder)
    return (TLP if case.name.startswith('tlp') else OTB)(case.folder / 'dataset')


def results_of(case: OracleCase, tracker: str) -> ResultFiles:
    folder = case.folder / 'tracking_results' / f'{tracker}_tracking_result'
    return ResultFiles(folder if folder.is_dir() else case.folder / 'results' / tracker)


def small_annotations(case: OracleCase, benchmark: str) -> Annotations[BoxTruth]:
    """benchmark: dtb70, nfs_240, nfs_30, tcolor128."""
    base, _, rate = benchmark.partition('_')
    dataset = case.folder / base / 'dataset'
    if base == 'nfs':
        return NfS(dataset, 30 if rate == '30' else 240)
    return {'dtb70': DTB70, 'tcolor128': TColor128}[base](dataset)


def small_results(case: OracleCase, benchmark: str, tracker: str) -> ResultFiles:
    base, _, rate = benchmark.partition('_')
    return ResultFiles(case.folder / base / 'results' / rate / tracker)
