"""The published detector of DMTrack, recorded: operators, backbone, head, targets, losses, tracks, a step."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmcv.ops import modulated_deform_conv2d
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import Tensor, nn

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack import Tracker
from mmgtrack.apis.models import build_network, load_config
from mmgtrack.checkpoint import save_checkpoint_file
from mmgtrack.convert.dmtrack import KEY_MAP
from mmgtrack.geometry import ResizeRule
from mmgtrack.models.dm_track import DMTrack
from mmgtrack.models.pairs import Detections
from mmgtrack.structures import ClipSample
from tests.device import DEVICE

from .cases import OracleCase, claims
from .comparison import assert_close
from .dmtrack_weights import official_weights

CONFIG = 'dmtrack_dla34_official'
LEVELS = range(3)
TARGET = 1  # the class that is the target; the other is never positive
KERNELS = {'cls1': (256, 256), 'cls2': (32, 32), 'reg1': (256, 256), 'reg2': (32, 32)}  # out, in
LAST_PIXEL = np.array([0, 0, 1, 1])


def arrays_of(case: OracleCase) -> dict[str, np.ndarray]:
    with np.load(case.folder / 'arrays.npz') as file:
        return dict(file)


def tensors_of(case: OracleCase, prefix: str = '') -> dict[str, Tensor]:
    """The case's arrays whose names begin with the prefix, without it, on the device."""
    return {
        name.removeprefix(prefix): torch.from_numpy(array).to(DEVICE)
        for name, array in arrays_of(case).items()
        if name.startswith(prefix)
    }


def check(case: OracleCase, name: str, found: Any) -> None:
    """Compare with the recorded array of that name, in the tolerance recorded with it."""
    assert_close(found, arrays_of(case)[name], case.spec['arrays'][name]['advised_atol'], 0)


def check_sums(case: OracleCase, name: str, found: Tensor) -> None:
    """Sum, sum of squares, least and greatest number."""
    values = found.detach().double()
    check(
        case,
        f'{name}.checksum',
        torch.stack([values.sum(), values.square().sum(), values.min(), values.max()]),
    )


@cache
def made_by_rule(folder: Path) -> dict[str, Tensor]:
    return official_weights(folder)


@cache
def network(folder: Path) -> DMTrack:
    """The shipped config's model with the rule's weights."""
    tracker = build_network(config_of())
    expected = {name: tensor.shape for name, tensor in tracker.state_dict().items()}
    tracker.load_state_dict(KEY_MAP.convert(made_by_rule(folder), expected))
    assert isinstance(tracker, DMTrack)
    return tracker.to(DEVICE).eval()


def config_of() -> Config:
    return load_config(CONFIG)[1]


def network_of(case: OracleCase) -> DMTrack:
    return network(case.folder.parent)


# ---- operators and backbone ------------------------------------------------------------------------


@claims('backbone*')
def test_made_weights(case: OracleCase) -> None:
    weights = made_by_rule(case.folder.parent)
    checksums = json.loads((case.folder.parent / 'weights_checksums.json').read_text())
    for name, (shape, total, squares) in checksums.items():
        values = weights[name].double()
        assert list(values.shape) == shape
        np.testing.assert_allclose(values.sum().item(), total, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(values.square().sum().item(), squares, rtol=1e-6)


@claims('block_mdconv*')
def test_modulated_deformable_convolution(case: OracleCase) -> None:
    settings = {
        key: value for key, value in case.spec.items() if isinstance(value, dict) and 'stride' in value
    }
    assert settings
    for name, options in settings.items():
        given = tensors_of(case, f'{name}.in.')
        gradient = given.pop('gout')
        for tensor in given.values():
            tensor.requires_grad_()
        geometry = [options[k] for k in ('stride', 'padding', 'dilation', 'groups', 'deform_groups')]
        inputs = (given[k] for k in ('x', 'offset', 'mask', 'weight', 'bias'))
        out = modulated_deform_conv2d(*inputs, *geometry)
        check(case, f'{name}.out', out)
        (out * gradient).sum().backward()
        for part, tensor in given.items():
            check(case, f'{name}.grad.{part}', tensor.grad)


@claims('block_roialign*')
def test_roi_of_a_target(case: OracleCase) -> None:
    extractor = network_of(case).roi_extractor
    given = tensors_of(case, 'in.')
    features = [given[f'feat{level}'] for level in LEVELS]
    rois = torch.cat([given['boxes'].new_zeros(len(given['boxes']), 1), given['boxes']], dim=1)
    check(case, 'level', extractor.map_roi_levels(rois, len(features)))
    each = [layer(x, rois) for layer, x in zip(extractor.roi_layers, features, strict=True)]
    check(case, 'roi7x7_each_level', torch.stack(each))
    chosen = torch.tensor(arrays_of(case)['level'])
    check(case, 'roi7x7_selected', torch.stack(each)[chosen, torch.arange(len(chosen))])


@claims('backbone*')
@torch.no_grad()
def test_backbone_and_pyramid(case: OracleCase) -> None:
    tracker, image = network_of(case), tensors_of(case)['in.x']
    backbone = tracker.backbone
    kept, backbone.base.out_indices = backbone.base.out_indices, range(6)
    try:
        base = backbone.base(image)
    finally:
        backbone.base.out_indices = kept
    merged = backbone(image)
    for level, found in enumerate(base):
        channels, height, width = (
            max(1, size // part) for size, part in zip(found.shape[1:], (16, 8, 8), strict=True)
        )
        check(case, f'base.level{level}.slice', found[:, ::channels, ::height, ::width])
        check_sums(case, f'base.level{level}', found)
    for name, maps in (('dlaup', merged), ('fpn', tracker.neck(merged))):
        for level, found in enumerate(maps):
            check(case, f'{name}.{level}.slice', found[:, ::16])
            check_sums(case, f'{name}.{level}', found)


# ---- head ------------------------------------------------------------------------------------------


def kernels_of(numbers: Tensor) -> list[dict[str, Tensor]]:
    """By level, one target's generated matrices (out, in) by their recorded names; numbers: (L, n)."""
    sizes = [torch.Size(shape).numel() for shape in KERNELS.values()]
    return [
        {name: part.view(KERNELS[name]) for name, part in zip(KERNELS, level.split(sizes), strict=True)}
        for level in numbers
    ]


def check_kernels(case: OracleCase, numbers: Tensor) -> None:
    for level, kernels in enumerate(kernels_of(numbers)):
        for name, kernel in kernels.items():
            check(case, f'kernel.l{level}.{name}.slice', kernel[:8, :8])
            check_sums(case, f'kernel.l{level}.{name}', kernel)


def check_maps(case: OracleCase, outputs: Any, batched: bool) -> None:
    """Raw maps of one target; batched: whether the records have a dimension for it."""
    for part, maps in zip(('cls_score', 'bbox_pred', 'centerness'), outputs, strict=True):
        for level, found in enumerate(maps):
            check(case, f'head.l{level}.{part}', found if batched else found[0])


@claims('block_dynconv*')
@torch.no_grad()
def test_generated_convolutions(case: OracleCase) -> None:
    head, given = network_of(case).bbox_head, tensors_of(case, 'in.')
    features = [given[f'feat{level}'] for level in LEVELS]
    numbers = head.encode(given['roi7x7'])
    check_kernels(case, numbers[0])
    for level, kernels in enumerate(kernels_of(numbers[0])):
        for branch, layers in (('cls', head.cls_correlations), ('reg', head.reg_correlations)):
            found = layers[0].search(features[level], kernels[f'{branch}1'].reshape(1, -1), None)
            check(case, f'pre.l{level}.{branch}', found[:, ::8])
    check_maps(case, head.search(features, numbers, None), batched=True)


@claims('block_targets*')
def test_training_targets(case: OracleCase) -> None:
    head, arrays = network_of(case).bbox_head, tensors_of(case)
    grids = [arrays[f'points.l{level}'] for level in LEVELS]
    sizes = [(len(grid[:, 1].unique()), len(grid[:, 0].unique())) for grid in grids]
    points = head._points([grids[0].new_empty(1, 1, *size) for size in sizes])
    for level, found in enumerate(points):
        check(case, f'points.l{level}', found)
    names = [name.removesuffix('.labels') for name in arrays if name.endswith('.labels')]
    assert names
    for name in names:
        boxes = arrays.get(f'{name}.gt', arrays['points.l0'].new_zeros(0, 4))
        truth = InstanceData(bboxes=boxes, labels=torch.full((len(boxes),), TARGET, device=DEVICE))
        labels, distances = (torch.cat(levels) for levels in head.get_targets(points, [truth]))
        check(case, f'{name}.labels', labels)
        if len(boxes):
            positive = (labels == TARGET).nonzero()[:, 0]
            check(case, f'{name}.pos_idx', positive)
            check(case, f'{name}.pos_ltrb', distances[positive])
            centred = head.centerness_target(distances[positive]) if len(positive) else distances[:0, 0]
            check(case, f'{name}.pos_centerness', centred)


@claims('block_losses*')
def test_losses(case: OracleCase) -> None:
    head, given = network_of(case).bbox_head, tensors_of(case)
    logits = given['focal.logits'].requires_grad_()
    positive = int((given['focal.labels'] < head.num_classes).sum())
    loss = head.loss_cls(logits, given['focal.labels'], avg_factor=positive + 1)
    check(case, 'focal.loss', loss)
    check(case, 'focal.grad', torch.autograd.grad(loss, logits)[0])

    raw, weight = given['iou.pred_raw'].requires_grad_(), given['iou.weight_centerness']
    boxes, truths = (
        head.bbox_coder.decode(given['iou.points'], distances)
        for distances in (raw.relu(), given['iou.target_ltrb'])
    )
    loss = head.loss_bbox(boxes, truths, weight=weight, avg_factor=weight.sum())
    check(case, 'iou.loss', loss)
    check(case, 'iou.grad_pred_raw', torch.autograd.grad(loss, raw)[0])
    check(case, 'iou.weight_centerness', head.centerness_target(given['iou.target_ltrb']))

    logits = given['ctr.logits'].requires_grad_()
    loss = head.loss_centerness(logits, weight, avg_factor=len(logits))
    check(case, 'ctr.loss', loss)
    check(case, 'ctr.grad', torch.autograd.grad(loss, logits)[0])


# ---- from maps to boxes ----------------------------------------------------------------------------


def rows_of(found: Detections) -> np.ndarray:
    """(n, 5) boxes and scores of the first pair's valid rows."""
    rows = torch.cat([found.boxes[0], found.scores[0, :, None]], 1)[found.valid[0]]
    return rows.cpu().numpy()


@contextmanager
def looking_for(tracker: DMTrack, label: int, **test_cfg: int) -> Iterator[None]:
    """The other class is the target, or other numbers of boxes are kept, for a while."""
    head = tracker.bbox_head
    before = head.target_class, head.test_cfg
    head.target_class, head.test_cfg = label, before[1] | test_cfg
    try:
        yield
    finally:
        head.target_class, head.test_cfg = before


def check_rows(case: OracleCase, name: str, label: int, rows: np.ndarray, labels: np.ndarray) -> None:
    """Compare boxes and scores of one class with those of the recorded rows, whose classes are ``labels``."""
    expected = arrays_of(case)[name][labels == label]
    if len(expected) == 0:  # where the published tracker would crash, the best one of the class stays
        assert len(rows) == 1
        return
    assert_close(rows, expected, case.spec['arrays'][name]['advised_atol'], 0)


def settings_of(name: str) -> dict[str, int]:
    """What 'default', 'nms_pre50' or 'max10' changes of the head's test_cfg."""
    option, number = re.fullmatch(r'(default|nms_pre|max)(\d*)', name).groups()
    keys = {'nms_pre': 'nms_pre', 'max': 'max_per_img'}
    return {keys[option]: int(number)} if number else {}


@claims('block_post*')
def test_boxes_of_given_maps(case: OracleCase) -> None:
    tracker, given, arrays = network_of(case), tensors_of(case, 'in.'), arrays_of(case)
    outputs = tuple([given[f'{part}{level}'] for level in LEVELS] for part in ('cls', 'reg', 'ctr'))
    height, width, _ = case.spec['img_shape']
    limits = torch.tensor([[width, height] * 2], dtype=torch.float32, device=DEVICE)
    names = [name.removesuffix('.dets') for name in arrays if name.endswith('.dets')]
    assert names
    for name in names:
        for label in (0, TARGET):
            with looking_for(tracker, label, **settings_of(name)):
                rows = rows_of(tracker.bbox_head.detect(outputs, limits))
            rows[:, :4] /= case.spec['scale_factor']
            check_rows(case, f'{name}.dets', label, rows, arrays[f'{name}.labels'])


# ---- the test path ---------------------------------------------------------------------------------


def picture(case: OracleCase, role: str) -> np.ndarray:
    """(H, W, 3) BGR; role: z (query) or x (search)."""
    image = cv2.imread(str(case.folder / f'{role}.png'))
    assert image is not None
    return image


def prepared(case: OracleCase, role: str) -> tuple:
    """View and network input (1, 3, H, W) of a picture, resized by the case's rule."""
    preprocessor = network_of(case).data_preprocessor
    preprocessor.resize = ResizeRule(*case.spec['scale'])
    view = preprocessor.view(picture(case, role))
    return view, preprocessor.batch([view.image])


def query_box(case: OracleCase) -> np.ndarray:
    """(1, 4) xyxy of the query picture."""
    x, y, width, height = case.spec['query_box_xywh']
    return np.array([[x, y, x + width, y + height]])


@claims('pair_*')
@torch.no_grad()
def test_images_become_features(case: OracleCase) -> None:
    tracker = network_of(case)
    for role in 'zx':
        view, image = prepared(case, role)
        assert [*view.shape, 3] == case.spec[f'img_shape_{role}']
        assert [*image.shape[-2:], 3] == case.spec[f'pad_shape_{role}']
        assert view.scale == (case.spec['scale_factor' if role == 'z' else 'scale_factor_x'],) * 2
        check(case, f'pre.{role}.patch', image[0, :, 100:116, 200:216])
        check_sums(case, f'pre.{role}', image)
    for level, found in enumerate(tracker.extract(image).pyramid):
        check(case, f'feat_x.{level}.slice', found[0, ::32, ::4, ::4])
        check_sums(case, f'feat_x.{level}', found)


@claims('pair_*')
@torch.no_grad()
def test_head_follows_the_query(case: OracleCase) -> None:
    tracker, (view, image) = network_of(case), prepared(case, 'z')
    check(case, 'query_box_ltrb', query_box(case)[0] - LAST_PIXEL)
    box = tracker.to_network(torch.from_numpy(query_box(case)).float().to(DEVICE), view)
    check(case, 'query_box_network', box[0])
    roi = torch.cat([box.new_zeros(1, 1), box], dim=1)
    check(case, 'roi_level', tracker.roi_extractor.map_roi_levels(roi, len(LEVELS)))
    features = tracker.extract(image)
    pooled = tracker.roi_extractor(features.pyramid, roi)
    check(case, 'roi7x7.slice', pooled[0, ::16])
    check_sums(case, 'roi7x7', pooled)
    kernels = tracker.encode_targets(features, [box])['kernels']
    check_kernels(case, kernels[0])
    search = tracker.extract(prepared(case, 'x')[1])
    check_maps(case, tracker.bbox_head.search(search.pyramid, kernels, None), batched=False)


@claims('pair_*')
def test_public_tracker(case: OracleCase, tmp_path: Path) -> None:
    """Config and checkpoint in, boxes of the picture out: the detections of the published tracker."""
    tracker, arrays = public_tracker(case, tmp_path), arrays_of(case)
    state = tracker.encode(picture(case, 'z'), query_box(case))
    for label in (0, TARGET):
        with looking_for(tracker.model, label):
            found = tracker.candidates([picture(case, 'x')], state)
        rows = rows_of(Detections(found.boxes[0], found.scores[0], found.valid[0]))
        rows[:, :4] -= LAST_PIXEL
        check_rows(case, 'dets_all', label, rows, arrays['labels_all'])
    check(case, 'target_dets_top10', rows[:10])
    tracks, _ = tracker.track([picture(case, 'x')], state)
    check(case, 'target_best_ltrb', tracks.boxes[0, 0].cpu().numpy() - LAST_PIXEL)


def public_tracker(case: OracleCase, folder: Path) -> Tracker:
    """The rule's weights as a checkpoint file, and the shipped config at the case's scale."""
    weights = network_of(case).state_dict()
    save_checkpoint_file({'state_dict': weights, 'meta': {'config_name': CONFIG}}, folder / 'converted.pth')
    config = folder / f'{CONFIG}.py'
    config.write_text(
        f"_base_ = '{Path(config_of().filename).as_posix()}'\n"
        f'model = dict(data_preprocessor=dict(resize={tuple(case.spec["scale"])}))\n'
    )
    return Tracker(config, checkpoint=folder / 'converted.pth', device=DEVICE)


# ---- training --------------------------------------------------------------------------------------


@claims('train_*')
@pytest.mark.parametrize('mode', ['eval', 'train'])
def test_training_step(case: OracleCase, mode: str) -> None:
    """Losses, gradients and, with statistics of the batch, what norms remember of it.

    With these statistics in double precision: of 48 cells at stride 32, they turn the rounding of another
    order of sums into more than the recorded tolerance.
    """
    tracker, arrays = copy.deepcopy(network_of(case)), arrays_of(case)
    tracker.to(torch.float64 if mode == 'train' else torch.float32).train(mode == 'train')
    data = training_batch(case, tracker)
    for role, name in (('query', 'z'), ('search', 'x')):
        check_sums(case, f'img_{name}', data['inputs'][role])
        for number, sample in enumerate(data['data_samples']):
            check(case, f'gt_bboxes_{name}.{number}', tracker.role_boxes(sample, role))
    losses = tracker.loss(**data)
    total, _ = tracker.parse_losses(losses)
    total.backward()
    relative = {'eval': 1e-3, 'train': 5e-2}[mode]  # of gradients (README)
    for name, found in {**losses, 'total': total}.items():
        check(case, f'{mode}.{name}', found)
        np.testing.assert_allclose(found.item(), arrays[f'{mode}.{name}'], rtol=5e-4, err_msg=name)
    norms = gradient_norms(tracker)
    for name, expected in zip(case.spec['grad_names'], arrays[f'{mode}.grad_norms'], strict=True):
        assert (expected == -1) == is_dead(name) == (name not in norms), name
        if not is_dead(name):
            np.testing.assert_allclose(norms[name], expected, rtol=relative, atol=1e-9, err_msg=name)
    whole = np.sqrt(np.square(list(norms.values())).sum())
    np.testing.assert_allclose(whole, arrays[f'{mode}.grad_norm_all'], rtol=relative)
    assert num_dead_parameters(case) == arrays[f'{mode}.num_params_without_grad']
    after = {KEY_MAP.source_of(name): tensor for name, tensor in tracker.state_dict().items()}
    for name in arrays if mode == 'train' else ():
        official = name.removeprefix('train.after.')
        if official != name and not is_dead(official):
            check(case, name, after[official][:16])


def training_batch(case: OracleCase, tracker: DMTrack) -> dict:
    """The recorded crops as a batch: one sample a pair of pictures."""
    arrays = arrays_of(case)
    inputs: dict[str, list[Tensor]] = {'query': [], 'search': []}
    samples = []
    for number, (pair, crop) in enumerate(case.spec['crops'].items()):
        sample = ClipSample()
        sample.instances = {}
        for role, name in (('query', 'z'), ('search', 'x')):
            image = cv2.imread(str(case.folder.parent / pair / f'{name}.png'))
            rows = slice(crop['y0'], crop['y0'] + crop['h'])
            columns = slice(crop['x0'], crop['x0'] + crop['w'])
            inputs[role].append(torch.from_numpy(image[rows, columns].copy()).permute(2, 0, 1))
            boxes = torch.from_numpy(arrays[f'gt_bboxes_{name}.{number}'] + LAST_PIXEL).float()
            ids = torch.arange(len(boxes))
            sample.instances[role] = InstanceData(bboxes=boxes, ids=ids, labels=torch.zeros_like(ids))
        shape = (crop['h'], crop['w'])
        sample.set_metainfo({'img_shape': dict.fromkeys(('query', 'search'), shape)})
        samples.append(sample)
    return tracker.data_preprocessor({'inputs': inputs, 'data_samples': samples}, True)


def gradient_norms(tracker: nn.Module) -> dict[str, float]:
    """L2 norm of every parameter's gradient by its official name."""
    return {
        KEY_MAP.source_of(name): parameter.grad.double().norm().item()
        for name, parameter in tracker.named_parameters()
    }


def is_dead(name: str) -> bool:
    """Whether the converter leaves the official tensor of that name out."""
    return name in KEY_MAP.left_out({name: torch.empty(0)})


def num_dead_parameters(case: OracleCase) -> int:
    """Official parameters, not statistics, that have no place in our model."""
    names = made_by_rule(case.folder.parent)
    return sum(is_dead(name) for name in names if name.endswith(('.weight', '.bias')))
