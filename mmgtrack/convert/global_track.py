"""Checkpoints of the GlobalTrack authors' code: v1-style mmdetection, ResNet-50, 374 keys."""

from collections.abc import Mapping

from torch import Tensor

from mmgtrack.convert.key_map import KeyMap, Rows, Shape
from mmgtrack.convert.official import Converter, Layout, read_openmmlab_file

KEY_MAP = KeyMap(
    names=(
        # Eq. 1: f_z and f_out, one a level
        (r'rpn_head\.correlations\.(\d+)\.kernel_conv', r'rpn_modulator.proj_modulator.\1'),
        (r'rpn_head\.correlations\.(\d+)\.out_conv', r'rpn_modulator.proj_out.\1'),
        # Eq. 3: h_z, h_x and h_out
        (r'roi_head\.modulator\.query_conv', 'rcnn_modulator.proj_z'),
        (r'roi_head\.modulator\.search_conv', 'rcnn_modulator.proj_x'),
        (r'roi_head\.modulator\.out_conv', 'rcnn_modulator.proj_out'),
        # v1-style detectors have the box head beside the RPN, not inside a RoI head
        (r'roi_head\.bbox_head', 'bbox_head'),
    ),
    rows={
        # v1-style: class 0 is the background; since mmdet 2 the background is the last class
        'bbox_head.fc_cls': Rows(total=2, kept=(1, 0)),
        'bbox_head.fc_reg': Rows(
            total=8, kept=(4, 5, 6, 7), why='box deltas of the background, never trained nor read'
        ),
    },
    # every key of the official model has its place in ours, so there is none to be left out
    dead=(),
)


def convert_state_dict(official: Mapping[str, Tensor], expected: Mapping[str, Shape]) -> dict[str, Tensor]:
    """The official state dict with our keys, class order and box deltas, as float32 copies.

    official: the 374 tensors (a leading ``module.`` is stripped, ``num_batches_tracked`` may be absent);
    expected: keys and shapes of our model. Raises CheckpointError that lists every key that does not fit.
    """
    return KEY_MAP.convert(official, expected)


CONVERTER = Converter(
    read=read_openmmlab_file,
    layout=lambda official: Layout('globaltrack_r50_official', KEY_MAP),
)
