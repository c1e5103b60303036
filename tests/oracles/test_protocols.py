"""Recorded numbers of the evaluation programs. Each family of programs has its module in ``protocols``."""

from .protocols.circulating import (
    test_circulating_mmtrack,
    test_circulating_pysot,
    test_circulating_pytracking,
    test_circulating_pytracking_f1,
    test_circulating_pytracking_needs_flags,
)
from .protocols.front_door import test_front_door
from .protocols.matlab_got import (
    test_got10k_toolkit,
    test_got10k_toolkit_small_sets,
    test_lsm,
    test_matlab_lasot,
    test_matlab_otb,
    test_neuron,
)
from .protocols.pools import (
    test_pools_got10k,
    test_pools_oxuva,
    test_pools_oxuva_scores_and_summary,
    test_pools_oxuva_written_again,
    test_pools_recall,
    test_pools_trackeval,
    test_pools_trackeval_of_two_sequences,
    test_pools_trackeval_written_again,
    test_pools_trackingnet,
)
from .protocols.vot import (
    test_vot_accuracy,
    test_vot_annotations,
    test_vot_got10k,
    test_vot_long_term,
    test_vot_multi_start,
    test_vot_multi_start_weights,
    test_vot_reset,
)

__all__ = [
    'test_circulating_mmtrack',
    'test_circulating_pysot',
    'test_circulating_pytracking',
    'test_circulating_pytracking_f1',
    'test_circulating_pytracking_needs_flags',
    'test_front_door',
    'test_got10k_toolkit',
    'test_got10k_toolkit_small_sets',
    'test_lsm',
    'test_matlab_lasot',
    'test_matlab_otb',
    'test_neuron',
    'test_pools_got10k',
    'test_pools_oxuva',
    'test_pools_oxuva_scores_and_summary',
    'test_pools_oxuva_written_again',
    'test_pools_recall',
    'test_pools_trackeval',
    'test_pools_trackeval_of_two_sequences',
    'test_pools_trackeval_written_again',
    'test_pools_trackingnet',
    'test_vot_accuracy',
    'test_vot_annotations',
    'test_vot_got10k',
    'test_vot_long_term',
    'test_vot_multi_start',
    'test_vot_multi_start_weights',
    'test_vot_reset',
]
