"""Checkpoints of the DMTrack authors' code: v2-style mmdetection, DLA-34, the detector alone; 392 keys."""

import re

from mmgtrack.convert.key_map import KeyMap, without_module
from mmgtrack.convert.official import Converter, Layout, OfficialCheckpoint, read_openmmlab_file

_PARTS = (
    # kernels for the levels of the pyramid, and the two convolutions of each branch that are made of them
    (r'bbox_head\.level_convs\.(\d+)', r'template.fpn_modulator.\1'),
    (r'bbox_head\.(cls|reg)_correlations\.0\.kernel_conv', r'controller.controller_\g<1>1'),
    (r'bbox_head\.(cls|reg)_correlations\.1\.kernel_conv', r'controller.controller_\g<1>2'),
    (r'bbox_head\.(cls|reg)_correlations\.1\.search_conv', r'cond_modulator.downsampler_\1'),
    (r'bbox_head\.conv_(cls|reg|centerness)', r'bbox_head.fcos_\1'),
)

# what its authors' model builds, or a file of theirs drags along, and no output depends on
DEAD = (
    (
        r'backbone\.base\.level[34]\.project\..*',
        'projection of a tree whose first subtree has one of its own: its outcome is thrown away',
    ),
    (r'backbone\.ida_up\..*', 'map for a re-identification branch that was never published: never called'),
    (r'backbone\.base\.fc\..*', "ImageNet's classifier, loaded with the backbone: never called"),
)

KEY_MAP = KeyMap(names=_PARTS, dead=DEAD)

# the first version of mmcv's layer had the convolution of the offsets beside it, not inside
OLD_KEY_MAP = KeyMap(
    names=(
        (r'(backbone\.dla_up\.ida_\d\.\w+)\.conv\.conv_offset', r'\1.conv_offset'),
        *_PARTS,
    ),
    dead=DEAD,
)


def dmtrack_layout(official: OfficialCheckpoint) -> Layout:
    """The one model there is; which version of the deformable layer wrote the file shows in its keys."""
    names = without_module(official.weights)
    old = any(re.search(r'(?<!\.conv)\.conv_offset\.', name) for name in names)
    return Layout('dmtrack_dla34_official', OLD_KEY_MAP if old else KEY_MAP)


CONVERTER = Converter(read=read_openmmlab_file, layout=dmtrack_layout)
