"""configs/globaltrack_r50.py over other detectors: one line changed, and nothing else."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import load_checkpoint

from mmgtrack.apis.models import build_network, load_config
from mmgtrack.checkpoint import use_safe_loading
from mmgtrack.errors import InputError
from mmgtrack.models.global_track import GlobalTrack
from mmgtrack.registry import MODELS
from tests.models.test_global_track import pair
from tests.trackers import CONFIGS

LINE = "'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'"
OWN_DETECTOR = """
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
model = dict(
    backbone=dict(_delete_=True, type='MobileNetV2', out_indices=(1, 2, 4, 7), norm_eval=True),
    neck=dict(in_channels=[24, 32, 96, 1280]))
"""
# what a tracker has in the place of the detector's 80 classes
REPLACED = {
    f'roi_head.bbox_head.{layer}.{kind}' for layer in ('fc_cls', 'fc_reg') for kind in ('weight', 'bias')
}
SMALL = {  # images of 64x96 offer no 2000 proposals
    'model.data_preprocessor.resize': (96, 64),
    'model.train_cfg.rpn_proposal.max_per_img': 50,
    'model.train_cfg.rcnn.sampler.num': 16,
    'model.test_cfg.rpn.max_per_img': 16,
}


@dataclass(frozen=True)
class Detector:
    """base: the line in ``_base_``; backbone: its class; parameters: of the tracker, in millions."""

    base: str
    backbone: str
    parameters: float
    left_out: str = 'nothing'


DETECTORS = {
    'r18': Detector('mmdet::faster_rcnn/faster-rcnn_r18_fpn_8xb8-amp-lsj-200e_coco.py', 'ResNet', 45.9),
    'r50': Detector('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', 'ResNet', 59.0),
    'r101': Detector('mmdet::faster_rcnn/faster-rcnn_r101_fpn_1x_coco.py', 'ResNet', 78.0),
    'mobilenetv2': Detector('./detector.py', 'MobileNetV2', 37.1),
    'swin_t': Detector(
        'mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py', 'SwinTransformer', 62.4, 'roi_head.mask_head.'
    ),
}


def config_over(base: str, folder: Path) -> Config:
    """globaltrack_r50.py with another first line of ``_base_``."""
    shutil.copytree(CONFIGS / '_base_', folder / '_base_')
    (folder / 'detector.py').write_text(OWN_DETECTOR)
    text = (CONFIGS / 'globaltrack_r50.py').read_text()
    assert text.count(LINE) == 1
    (folder / 'tracker.py').write_text(text.replace(LINE, repr(base)))
    return load_config(folder / 'tracker.py')[1]


@pytest.fixture(scope='module', params=list(DETECTORS))
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple]:
    """(detector, its file's folder, tracker), at full width."""
    detector, folder = DETECTORS[request.param], tmp_path_factory.mktemp(request.param)
    config = config_over(detector.base, folder)
    config.merge_from_dict(SMALL)
    torch.manual_seed(0)
    yield detector, folder, build_network(config)


def test_one_line_makes_a_tracker_of_it(built: tuple) -> None:
    detector, _, tracker = built
    assert isinstance(tracker, GlobalTrack)
    assert type(tracker.backbone).__name__ == detector.backbone
    count = sum(p.numel() for p in tracker.parameters()) / 1e6
    assert count == pytest.approx(detector.parameters, abs=0.05)


def test_every_trainable_parameter_learns(built: tuple) -> None:
    _, _, tracker = built
    tracker.train()
    images, sample = pair(1, num_targets=2)
    inputs = {role: [image] for role, image in images.items()}
    data = tracker.data_preprocessor({'inputs': inputs, 'data_samples': [sample]}, True)
    total, parts = tracker.parse_losses(tracker(**data, mode='loss'))
    total.backward()
    assert {'loss_rpn_cls', 'loss_rpn_bbox', 'loss_cls', 'loss_bbox'} <= set(parts)
    trained = {name: p.grad for name, p in tracker.named_parameters() if p.requires_grad}
    assert [name for name, grad in trained.items() if grad is None or not grad.isfinite().all()] == []
    modules = ('backbone', 'neck', 'rpn_head.correlations', 'rpn_head.rpn', 'roi_head.modulator')
    for module in (*modules, 'roi_head.bbox_head.fc_cls', 'roi_head.bbox_head.fc_reg'):
        assert any(grad.abs().max() > 0 for name, grad in trained.items() if name.startswith(module)), module


def test_it_tracks(built: tuple) -> None:
    _, _, tracker = built
    tracker.eval()
    images, sample = pair(2, num_targets=2)
    frames = [image.permute(1, 2, 0).numpy() for image in images.values()]
    tracks, state = tracker.track(frames, tracker.encode(frames[0], sample.instances['query'].bboxes))
    assert tracks.boxes.shape == (2, 2, 4) and tracks.boxes.isfinite().all()
    assert (tracks.boxes[..., 2:] >= tracks.boxes[..., :2]).all()
    assert (tracks.scores > 0).all() and (tracks.scores <= 1).all()
    assert state.age.tolist() == [2, 2]


def test_the_detectors_own_weights_load(built: tuple) -> None:
    """Through the Runner's loader: all but the last layers are bit-equal to the detector's."""
    detector, folder, tracker = built
    weights = detector_weights(detector, folder)
    before = {name: value.clone() for name, value in tracker.state_dict().items()}
    torch.save({'state_dict': weights, 'meta': {}}, folder / 'detector.pth')
    use_safe_loading()
    load_checkpoint(tracker, str(folder / 'detector.pth'), map_location='cpu', strict=False)
    (folder / 'detector.pth').unlink()
    after = tracker.state_dict()
    kept = {k for k in after if not (k in weights and torch.equal(after[k], weights[k]))}
    assert {k for k in kept if k in weights} == REPLACED
    assert {k.rsplit('.', 2)[0] for k in kept - REPLACED} == {
        *(f'rpn_head.correlations.{level}' for level in range(5)),
        'roi_head.modulator',
    }
    assert all(torch.equal(after[k], before[k]) for k in kept)
    assert [k for k in weights if k not in after and not k.startswith(detector.left_out)] == []
    assert any(k.startswith(detector.left_out) for k in weights) == (detector.left_out != 'nothing')


def detector_weights(detector: Detector, folder: Path) -> dict[str, torch.Tensor]:
    """A state dict of the zoo's detector, every number its own."""
    base = detector.base.replace('./', f'{folder}/')
    settings = Config.fromstring(f'_base_ = {base!r}', '.py').model
    settings.backbone.init_cfg = None
    with DefaultScope.overwrite_default_scope('mmdet'):
        weights = MODELS.build(settings).state_dict()
    floating = (value for value in weights.values() if value.is_floating_point())
    for value in floating:
        value.add_(torch.rand_like(value), alpha=0.1)
    return weights


@pytest.mark.parametrize(
    'base, message',
    [
        (
            'cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py',
            r'3 box heads \(CascadeRoIHead, of Cascade R-CNN\) cannot be guided: choose one with a Standard',
        ),
        (
            'faster_rcnn/faster-rcnn_r50-caffe_c4-1x_coco.py',
            r'shared head ResLayer \(a C4 detector\) cannot be guided: choose one with a feature pyramid',
        ),
        (
            'faster_rcnn/faster-rcnn_r50_fpn_fcos-rpn_1x_coco.py',
            "unexpected keyword argument 'stacked_convs'",
        ),
    ],
    ids=['cascade', 'c4', 'fcos_rpn'],
)
def test_others_are_refused_in_one_line(base: str, message: str, tmp_path: Path) -> None:
    config = config_over(f'mmdet::{base}', tmp_path)
    with pytest.raises(InputError, match=message) as refused, torch.device('meta'):
        build_network(config)
    assert '\n' not in str(refused.value)


def test_a_loss_of_boxes_becomes_one_of_deltas(tmp_path: Path) -> None:
    """The zoo's IoU-loss variants decode boxes first; smooth L1 of pixels would drown the other losses."""
    config = config_over('mmdet::faster_rcnn/faster-rcnn_r50_fpn_giou_1x_coco.py', tmp_path)
    with torch.device('meta'):
        head = build_network(config).roi_head.bbox_head
    assert type(head.loss_bbox).__name__ == 'SmoothL1Loss' and not head.reg_decoded_bbox
