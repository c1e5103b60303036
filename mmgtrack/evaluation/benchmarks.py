"""Which benchmarks there are, and by which rules their numbers are made: one frozen record each.

A protocol is a benchmark under a rule. ``lasot`` means LaSOT by its own rule, ``lasot@pysot`` by the rule of
another program, so that a published number can be compared under the rule that made it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from mmgtrack.errors import InputError
from mmgtrack.evaluation.annotations.base import Annotations
from mmgtrack.evaluation.annotations.got10k import GOT10k
from mmgtrack.evaluation.annotations.lasot import LaSOT
from mmgtrack.evaluation.annotations.mot import MotAnnotations
from mmgtrack.evaluation.annotations.nfs import NfS
from mmgtrack.evaluation.annotations.otb import OTB
from mmgtrack.evaluation.annotations.own import OwnSequences
from mmgtrack.evaluation.annotations.oxuva import OxuvaAnnotations
from mmgtrack.evaluation.annotations.plain import DTB70, UAV20L, UAV123, Flat, TColor128, TrackingNet
from mmgtrack.evaluation.annotations.tlp import TLP, TinyTLP
from mmgtrack.evaluation.annotations.vot import VotAnnotations
from mmgtrack.evaluation.neuron import OTB_LIKE_RULES, OtbLikeRule
from mmgtrack.evaluation.rules.average_recall import AverageRecallRule
from mmgtrack.evaluation.rules.base import Rule
from mmgtrack.evaluation.rules.got10k import Got10kRule, NeuronGot10kRule
from mmgtrack.evaluation.rules.got10k_toolkit import Got10kToolkitLasotRule, Got10kToolkitRule
from mmgtrack.evaluation.rules.lsm import TlpRule
from mmgtrack.evaluation.rules.matlab import LasotMatlabRule, OtbMatlabRule
from mmgtrack.evaluation.rules.mmtrack import MmtrackRule
from mmgtrack.evaluation.rules.mot import MotRule
from mmgtrack.evaluation.rules.neuron import NeuronRule
from mmgtrack.evaluation.rules.oxuva import OxuvaRule
from mmgtrack.evaluation.rules.pysot import PysotRule
from mmgtrack.evaluation.rules.pytracking import PytrackingRule
from mmgtrack.evaluation.rules.pytracking_f1 import PytrackingF1Rule
from mmgtrack.evaluation.rules.trackingnet import TrackingNetRule
from mmgtrack.evaluation.rules.vot_accuracy import VotAccuracyRule
from mmgtrack.evaluation.rules.vot_got10k import VotGot10kRule
from mmgtrack.evaluation.rules.vot_long_term import VotLongTermRule
from mmgtrack.evaluation.rules.vot_multi_start import VotMultiStartRule
from mmgtrack.evaluation.rules.vot_reset import VotResetRule
from mmgtrack.packaged_configs import suggest, suggestions
from mmgtrack.sequence_tables import load_table

AnyRule = Rule[Any, Any]


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    name: as protocols call it; title: for people; annotations: reader of its folder; rule: its own; others:
    rules of other programs by short name; table: its published list of sequences, a name for ``load_table``,
    None where there is none.
    """

    name: str
    title: str
    annotations: Callable[[Path], Annotations[Any]]
    rule: AnyRule
    others: Mapping[str, AnyRule] = field(default_factory=dict)
    table: str | None = None


@dataclass(frozen=True)
class Protocol:
    """A benchmark under a rule; ``name`` is that of the benchmark, or ``BENCHMARK@PROGRAM``."""

    name: str
    benchmark: Benchmark
    rule: AnyRule


def _circulating(
    treatment: Any,
    got10k: AnyRule,
    neuron: OtbLikeRule,
    *,
    visible: bool = False,
    init_omit: tuple[tuple[str, int], ...] = (),
) -> Mapping[str, AnyRule]:
    """Rules that people use on any benchmark of boxes.

    treatment: pytracking's of the data set; neuron: what NEURON sets for it; visible: whether frames are
    flagged as without the target, or have no box, so that leaving them out makes a difference; init_omit:
    pytracking's and STARK's.
    """
    rules: dict[str, AnyRule] = {
        'pytracking': PytrackingRule(treatment, init_omit=init_omit),
        'stark': PytrackingRule(treatment, valid_by='size', init_omit=init_omit),
        'pysot': PysotRule(),
        'mmtrack': MmtrackRule(),
        'got10k': got10k,
        'neuron': NeuronRule(neuron),
    }
    if visible:
        rules['pytracking-valid'] = PytrackingRule(treatment, exclude_invalid=True)
        rules['mmtrack-visible'] = MmtrackRule(only_visible=True)
    return rules


_GOT10K, _GOT10K_WITHOUT_NAN = Got10kToolkitRule(), Got10kToolkitRule(drops_nan=True)
_F1 = {'pytracking-f1': PytrackingF1Rule()}
_EVERY_FRAME = replace(OTB_LIKE_RULES['lasot'], frame_stride=1)
_GLOBALTRACK = {'globaltrack': NeuronRule(OTB_LIKE_RULES['lasot'])}  # its script: every tenth frame
_LASOT = {
    **_circulating('lasot', Got10kToolkitLasotRule(), _EVERY_FRAME, visible=True),
    **_GLOBALTRACK,
    **_F1,
}
_LASOT_EXT = {**_circulating('lasot_ext', Got10kToolkitLasotRule(), _EVERY_FRAME, visible=True), **_F1}
_OWN = {**_circulating('lasot_ext', Got10kToolkitLasotRule(), _EVERY_FRAME, visible=True), **_F1}
_UAV = _circulating('uav', _GOT10K_WITHOUT_NAN, OTB_LIKE_RULES['uav123'], visible=True)
_OMITTED = tuple((entry.name, entry.init_omit) for entry in load_table('otb2015').entries if entry.init_omit)
_OTB2013, _OTB2015 = (
    _circulating('other', _GOT10K, OTB_LIKE_RULES[name], init_omit=_OMITTED)
    for name in ('otb2013', 'otb2015')
)
_NFS, _TCOLOR128, _DTB70 = (
    _circulating('other', _GOT10K, OTB_LIKE_RULES[name]) for name in ('nfs', 'tcolor128', 'dtb70')
)
_TLP = {'pytracking': PytrackingRule('other'), 'neuron': NeuronRule(OTB_LIKE_RULES['tlp'])}
_OTB_RULE = OtbMatlabRule()

BENCHMARKS = (
    Benchmark('lasot', 'LaSOT, test set', LaSOT, LasotMatlabRule(), _LASOT, 'lasot'),
    Benchmark('lasot_ext', 'LaSOT extension', LaSOT, LasotMatlabRule(), _LASOT_EXT, 'lasot_ext'),
    Benchmark('otb2013', 'OTB-2013', OTB, _OTB_RULE, _OTB2013, 'otb2013'),
    Benchmark('tb50', 'TB-50', OTB, _OTB_RULE, _OTB2015, 'tb50'),
    Benchmark('otb2015', 'OTB-2015 (OTB-100)', OTB, _OTB_RULE, _OTB2015, 'otb2015'),
    Benchmark('uav123', 'UAV123', UAV123, _OTB_RULE, _UAV, 'uav123'),
    Benchmark('uav20l', 'UAV20L', UAV20L, _OTB_RULE, _UAV, 'uav20l'),
    Benchmark('nfs30', 'NfS, 30 frames a second', NfS, _OTB_RULE, _NFS, 'nfs30'),
    Benchmark('nfs240', 'NfS, 240 frames a second', partial(NfS, frame_rate=240), _OTB_RULE, _NFS, 'nfs240'),
    Benchmark('tcolor128', 'TColor-128', TColor128, _OTB_RULE, _TCOLOR128, 'tcolor128'),
    Benchmark('dtb70', 'DTB70', DTB70, _OTB_RULE, _DTB70, 'dtb70'),
    Benchmark('tlp', 'TLP', TLP, TlpRule(), _TLP, 'tlp'),
    Benchmark('tiny_tlp', 'TinyTLP', TinyTLP, TlpRule(), _TLP, 'tiny_tlp'),
    Benchmark(
        'got10k_val', 'GOT-10k, val', GOT10k, Got10kRule(), {'neuron': NeuronGot10kRule()}, 'got10k_val'
    ),
    Benchmark('trackingnet', 'TrackingNet', TrackingNet, TrackingNetRule()),
    Benchmark(
        'oxuva_dev',
        'OxUvA, dev',
        OxuvaAnnotations,
        OxuvaRule(),
        {'cached': OxuvaRule(order='sorted')},
        'oxuva_dev',
    ),
    Benchmark('vot_longterm', 'VOT long-term, any workspace', VotAnnotations, VotLongTermRule()),
    Benchmark(
        'vot2018_longterm', 'VOT2018 long-term', VotAnnotations, VotLongTermRule(), table='vot2018_longterm'
    ),
    Benchmark(
        'vot2019_longterm',
        'VOT2019 and VOT2020 long-term',
        VotAnnotations,
        VotLongTermRule(),
        table='vot2019_longterm',
    ),
    Benchmark(
        'vot2018',
        'VOT2018, with resets',
        VotAnnotations,
        VotResetRule(100, 356),
        {'got10k': VotGot10kRule()},
        'vot2018',
    ),
    Benchmark('vot2019', 'VOT2019, with resets', VotAnnotations, VotResetRule(46, 291), table='vot2019'),
    Benchmark('vot2020', 'VOT2020', VotAnnotations, VotMultiStartRule(115, 755), table='vot2020'),
    Benchmark('vot2021', 'VOT2021', VotAnnotations, VotMultiStartRule(115, 755)),
    Benchmark('vot2022', 'VOT2022', VotAnnotations, VotMultiStartRule(115, 755), table='vot2022'),
    Benchmark('vot_unsupervised', 'VOT, one pass', VotAnnotations, VotAccuracyRule(burnin=10)),
    Benchmark('mot', 'identities in MOT files', MotAnnotations, MotRule()),
    Benchmark(
        'recall',
        'proposals of own sequences',
        OwnSequences,
        AverageRecallRule(),
        {'mmdet-legacy': AverageRecallRule('legacy'), 'coco': AverageRecallRule('coco')},
    ),
    Benchmark('own', 'own sequences', OwnSequences, LasotMatlabRule(), _OWN),
    Benchmark('flat', 'sequences as anno/NAME.txt', Flat, LasotMatlabRule(), _OWN),
)


def all_protocols() -> tuple[Protocol, ...]:
    """Every benchmark under its own rule, followed by the others that are in use for it."""
    return tuple(
        Protocol(name, benchmark, rule)
        for benchmark in BENCHMARKS
        for name, rule in (
            (benchmark.name, benchmark.rule),
            *((f'{benchmark.name}@{program}', rule) for program, rule in benchmark.others.items()),
        )
    )


def find_protocol(name: str) -> Protocol:
    """The protocol of that name, in upper or lower case.

    Raises InputError that lists the nearest names for an unknown one.
    """
    known = {protocol.name: protocol for protocol in all_protocols()}
    wanted = name.casefold()
    if wanted in known:
        return known[wanted]
    benchmark, _, program = wanted.partition('@')
    variants = [each for each in known if each.startswith(f'{benchmark}@')]
    if program and benchmark in known and not suggestions(program, [v.partition('@')[2] for v in variants]):
        rules = ', '.join([benchmark, *variants])
        raise InputError(f'{benchmark} is not judged by a rule {program!r}, but: {rules}')
    begins = [each for each in known if each.startswith(wanted)]
    hint = f'did you mean {", ".join(begins)}?' if begins else suggest(wanted, tuple(known))
    raise InputError(f'there is no protocol {name!r}; {hint}')
