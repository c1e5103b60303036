"""Every GuidedDetector config: its numbers; it trains, tests and tracks."""

from pathlib import Path
from typing import Any

import mmdet
import numpy as np
import pytest
import torch
import yaml
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from mmgtrack.apis.models import build_network
from mmgtrack.datasets import synthetic_clip
from mmgtrack.engine.launch import build_runner
from mmgtrack.engine.options import merge_options
from mmgtrack.models.guided_detector import GuidedDetector
from mmgtrack.models.guided_detector.detector_config import preprocessor_config
from mmgtrack.registry import DATASETS
from tests.configs.test_configs import CONFIGS, NAMES, rows, shipped

GUIDED = [name for name in NAMES if Path(name).name.startswith('guided')]
PUBLISHED = {  # Huang et al., ICCV 2019, sections 3.2, 3.4, 3.5 and 4.1
    'model.search.factor': 5,
    'model.exemplar.factor': 2,
    'model.learner.inner_lr': 0.05,
    'model.learner.first_steps': 5,
    'model.learner.online_steps': 1,
    'model.first_frame.count': 16,
    'model.selection.sigma': 0.55,
    'model.selection.size_rate': 0.275,
    'train_dataloader.batch_size': 8,
    'train_dataloader.dataset.roles': ('exemplar', 'support', 'query'),
    'auto_scale_lr.base_batch_size': 32,
    'optim_wrapper.optimizer.type': 'SGD',
    'optim_wrapper.optimizer.lr': 0.01,
    'optim_wrapper.optimizer.momentum': 0.9,
    'optim_wrapper.optimizer.weight_decay': 5e-4,
}
SSD = {
    'model.search.size': 300,
    'model.exemplar.sizes': [60, 120, 222],
    'model.detector.bbox_head.anchor_generator.min_sizes': [30, 60, 111],
    'model.detector.backbone.depth': 16,
    'model.detector.data_preprocessor.std': [1, 1, 1],
    'train_dataloader.dataset.pipelines.exemplar.2.size': 222,
    'train_dataloader.dataset.pipelines.support.2.size': 300,
    'train_dataloader.dataset.pipelines.query.2.size': 300,
}
FASTER_RCNN = {
    'model.search.size': 480,
    'model.exemplar.sizes': 192,
    'model.detector.backbone.depth': 50,
    'model.detector.train_cfg.rpn.pos_weight': 3,
    'train_dataloader.dataset.pipelines.exemplar.2.size': 192,
    'train_dataloader.dataset.pipelines.support.2.size': 480,
    'train_dataloader.dataset.pipelines.query.2.size': 480,
}
ABLATIONS = {  # Tables 1 and 2: what differs from the config it is about: keys, or what they start with
    'guided_ssd300_gradient_descent': {'model.learner.inner_steps'},
    'guided_ssd300_no_anchor': {'model.learner.anchor_weight'},
    'guided_ssd300_no_box_adaptation': {'model.learner.adapt_boxes'},
    'guided_ssd300_single_exemplar': {
        'model.exemplar.sizes',
        'train_dataloader.dataset.pipelines.exemplar.2.size',
    },
    'guided_faster_rcnn_r101': {
        'load_from',
        *(f'model.detector.backbone.{key}' for key in ('depth', 'init_cfg')),
        *(f'model.detector.roi_head.shared_head.{key}' for key in ('depth', 'init_cfg')),
    },
    'guided_faster_rcnn_r34': {
        'load_from',
        'model.detector.data_preprocessor.',
        'model.detector.backbone.',
        'model.detector.rpn_head.in_channels',
        'model.detector.rpn_head.feat_channels',
        'model.detector.roi_head.',
    },
    'guided_faster_rcnn_vgg16': {
        'load_from',
        'model.detector.data_preprocessor.',
        'model.detector.backbone.',
        'model.detector.rpn_head.in_channels',
        'model.detector.rpn_head.feat_channels',
        'model.detector.roi_head.',
    },
}
SIDES = {2: 32, 5: 64}  # of the crops, by their factor
SMALL: dict[str, Any] = {  # layers keep their width, which the heads' last stages fix
    'model.guidance.pooled_size': 1,
    'model.search.size': SIDES[5],
    'model.heads': {'num_positives': 2, 'num_negatives': 6},
    'model.learner.first_steps': 1,
    'model.learner.inner_lr': 1e-4,  # layers are random: at the published rates numbers explode
    'model.first_frame.count': 2,
    'optim_wrapper.optimizer.lr': 1e-6,
}
MAIN = [name for name in GUIDED if '/' not in name]


def small_options(name: str) -> dict[str, Any]:
    """Small windows, few samples, few proposals; no weights from elsewhere."""
    model = shipped(name).model
    several = isinstance(model.exemplar.sizes, list)
    options = {
        **SMALL,
        'model.exemplar.sizes': [16, 24, SIDES[2]] if several else SIDES[2],
        'model.detector.backbone.init_cfg': None,
        'model.learner.inner_steps': min(model.learner.inner_steps, 1),
    }
    if 'roi_head' in model.detector:
        options |= {
            'model.detector.test_cfg.rpn.max_per_img': 8,
            'model.detector.roi_head.bbox_roi_extractor.roi_layer.output_size': 1,
            'model.detector.roi_head.bbox_head.roi_feat_size': 1,
        }
        if model.detector.roi_head.shared_head is not None:
            options['model.detector.roi_head.shared_head.init_cfg'] = None
    return options


def short_run(name: str) -> dict[str, Any]:
    """One iteration with small crops."""
    dataset = shipped(name).train_dataloader.dataset
    return {
        'train_dataloader.batch_size': 1,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_dataloader.dataset.num_samples': 1,
        'train_dataloader.dataset.pipelines': {
            role: [_smaller(step) for step in steps] for role, steps in dataset.pipelines.items()
        },
        'train_cfg.max_epochs': 1,
        'default_hooks.logger.interval': 1,
        'default_hooks.checkpoint.interval': 10,  # half a gigabyte each
        'default_hooks.checkpoint.save_last': False,
        'load_from': None,
    }


def _smaller(step: Any) -> dict[str, Any]:
    return {**step, 'size': SIDES[step.factor]} if step.type == 'mmgtrack.CropTarget' else step


@pytest.mark.parametrize('name', MAIN)
def test_it_trains_tests_and_tracks(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # laying out a config for the logs takes seconds, six times a run
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))
    options = {**small_options(name), **short_run(name), 'experiment_name': str(tmp_path)}
    runner = build_runner(CONFIGS / name, work_dir=str(tmp_path), options=options)
    runner.train()
    losses = runner.message_hub.get_scalar('train/loss').data[0]
    assert runner.iter == 1 and len(losses) == 1 and np.isfinite(losses).all()
    assert 0 <= runner.test()['success/auc'] <= 1
    check_tracks(runner.model.eval())


@pytest.mark.parametrize('name', [name for name in GUIDED if '/' in name])
def test_an_ablation_learns_and_tracks(name: str, data: Path) -> None:
    config = Config.fromfile(CONFIGS / name)
    merge_options(config, {**small_options(name), **short_run(name)})
    torch.manual_seed(0)
    model = build_network(config)
    model.init_weights()
    check_what_learns(model, pseudo_collate([DATASETS.build(config.train_dataloader.dataset)[0]]))
    check_tracks(model.eval())


def check_what_learns(model: GuidedDetector, batch: dict[str, Any]) -> None:
    """A step reaches every parameter that learns: processes beside each other wait for all of them."""
    model.train()
    total, _ = model.parse_losses(model(**model.data_preprocessor(batch, training=True), mode='loss'))
    total.backward()
    assert total.isfinite()
    learns = {key: value for key, value in model.named_parameters() if value.requires_grad}
    assert [key for key, value in learns.items() if value.grad is None] == []
    assert {'detector', 'guidance'} <= {key.partition('.')[0] for key in learns}


def check_tracks(model: GuidedDetector) -> None:
    """Two targets in three frames; the head is another for each, and after its update."""
    model.test_cfg |= dict(sample_score=0.0, update_interval=2)
    clip = synthetic_clip(num_frames=3, size=(48, 64), num_targets=2, seed=3)
    start = model.encode(clip.frames[0], clip.boxes[0])
    tracks, end = model.track(clip.frames[1:], start)
    assert tracks.boxes.shape == (2, 2, 4) and tracks.boxes.isfinite().all()
    assert not torch.equal(start.thetas[0], start.thetas[1])
    assert (end.thetas != start.thetas).any(1).all() and end.dropped.sum() == 0


@pytest.mark.parametrize('name, own', [('ssd300_vgg16', SSD), ('faster_rcnn_r50', FASTER_RCNN)])
def test_the_numbers_are_the_published_ones(name: str, own: dict[str, Any]) -> None:
    config = shipped(f'guided_{name}.py')
    settings = dict(rows(config))
    expected = PUBLISHED | own
    assert {key: settings[key] for key in expected} == expected
    (source,) = config.train_dataloader.dataset.sources
    assert source.type == 'mmgtrack.GOT10k' and source.split == 'train'
    # 50,000 iterations of 32 triplets
    assert config.train_cfg.max_epochs * config.train_dataloader.dataset.num_samples == 50_000 * 32


def test_the_rate_falls_as_published() -> None:
    config = shipped('guided_ssd300_vgg16.py')
    (scheduler,) = config.param_scheduler
    last = config.optim_wrapper.optimizer.lr * scheduler.gamma ** (config.train_cfg.max_epochs - 1)
    assert scheduler.type == 'ExponentialLR' and last == pytest.approx(0.0005)


@pytest.mark.parametrize('name', ABLATIONS)
def test_an_ablation_changes_what_it_says(name: str) -> None:
    base_name = 'guided_ssd300_vgg16' if 'ssd300' in name else 'guided_faster_rcnn_r50'
    base, settings = (dict(rows(shipped(f'{each}.py'))) for each in (base_name, f'ablations/{name}'))
    different = {key for key in {*base, *settings} if base.get(key) != settings.get(key)}
    allowed = ABLATIONS[name]
    assert {key for key in different if not key.startswith(tuple(allowed))} == set()
    assert {key for key in allowed if not any(other.startswith(key) for other in different)} == set()


def test_every_ablation_is_tried() -> None:
    assert {Path(name).stem for name in GUIDED if name.startswith('ablations/')} == set(ABLATIONS)


ANCHORS = [  # widths and heights of the cells' boxes: SSD's rule for these base sizes
    [(30, 30), (42.43, 42.43), (42.43, 21.21), (21.21, 42.43)],
    [(60, 60), (81.61, 81.61), (84.85, 42.43), (42.43, 84.85), (103.92, 34.64), (34.64, 103.92)],
    [(111, 111), (134.10, 134.10), (156.98, 78.49), (78.49, 156.98), (192.26, 64.09), (64.09, 192.26)],
]


def test_ssds_anchors() -> None:
    """Of 38, 19 and 10 cells a side, 8542 in all (Liu et al., ECCV 2016, with the paper's base sizes)."""
    config = shipped('guided_ssd300_vgg16.py').model.detector.bbox_head.anchor_generator
    generator = TASK_UTILS.build(config)
    for anchors, expected in zip(generator.base_anchors, ANCHORS, strict=True):
        sizes = (anchors[:, 2:] - anchors[:, :2]).tolist()
        np.testing.assert_allclose(sorted(sizes), sorted(expected), atol=0.01)
    counts = [side**2 * len(anchors) for side, anchors in zip((38, 19, 10), ANCHORS, strict=True)]
    assert sum(counts) == 8542
    assert generator.num_base_priors == [len(anchors) for anchors in ANCHORS]


@pytest.mark.parametrize(
    'name, zoo, file',
    [
        ('ssd300_vgg16', 'ssd300_coco', 'ssd/metafile.yml'),
        ('faster_rcnn_r50', 'faster-rcnn_r50-caffe-c4_1x_coco', 'faster_rcnn/metafile.yml'),
    ],
)
def test_it_starts_from_the_zoos_detector(name: str, zoo: str, file: str) -> None:
    """Its checkpoint has every layer of the detector; class layers, and Faster R-CNN's boxes, differ."""
    folder = Path(mmdet.__file__).parent / '.mim/configs'
    (entry,) = [
        model for model in yaml.safe_load((folder / file).read_text())['Models'] if model['Name'] == zoo
    ]
    config = shipped(f'guided_{name}.py')
    assert config.load_from == entry['Weights']
    theirs = Config.fromfile(folder.parent / entry['Config']).model
    tracker = build_network(config)
    with torch.device('meta'), DefaultScope.overwrite_default_scope('mmdet'):
        shapes = {key: value.shape for key, value in MODELS.build(theirs).state_dict().items()}
    own = {key: value.shape for key, value in tracker.state_dict().items()}
    detectors = {key for key in own if not key.startswith('guidance.')}
    assert detectors <= set(shapes)
    different = {key.rpartition('.')[0] for key in detectors if own[key] != shapes[key]}
    if name == 'ssd300_vgg16':
        assert different == {f'bbox_head.cls_convs.{level}.0' for level in range(3)}
    else:
        assert different == {'roi_head.bbox_head.fc_cls', 'roi_head.bbox_head.fc_reg'}


@pytest.mark.parametrize(
    'name, numbers',
    [
        # 3x3 convolutions of 512, 1024 and 512 channels with 4, 6 and 6 boxes of 2 + 4 numbers a cell
        ('guided_ssd300_vgg16', sum((9 * c + 1) * n * 6 for c, n in ((512, 4), (1024, 6), (512, 6)))),
        ('guided_faster_rcnn_r50', 2049 * 6),
        ('ablations/guided_faster_rcnn_r101', 2049 * 6),
        ('ablations/guided_faster_rcnn_r34', 513 * 6),
        ('ablations/guided_faster_rcnn_vgg16', 1025 * 6),
    ],
)
def test_how_many_numbers_adapt(name: str, numbers: int) -> None:
    assert build_network(shipped(f'{name}.py')).heads.layout.size == numbers


def test_images_are_those_that_the_weights_know() -> None:
    """Normalisation and channel order are the detector's own."""
    expected = {
        'guided_ssd300_vgg16.py': ([123.675, 116.28, 103.53], [1, 1, 1], True),
        'guided_faster_rcnn_r50.py': ([103.53, 116.28, 123.675], [1, 1, 1], False),
        'ablations/guided_faster_rcnn_vgg16.py': ([123.675, 116.28, 103.53], [1, 1, 1], True),
        'ablations/guided_faster_rcnn_r34.py': (
            [123.675, 116.28, 103.53],
            [58.395, 57.12, 57.375],
            True,
        ),
    }
    for name, (mean, std, bgr_to_rgb) in expected.items():
        own = preprocessor_config(shipped(name).model.detector)
        assert (own['mean'], own['std'], own['bgr_to_rgb']) == (mean, std, bgr_to_rgb)
