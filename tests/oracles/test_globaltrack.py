"""The official GlobalTrack, recorded: building blocks, modulators, test path, training steps, evaluation."""

from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.models.task_modules.prior_generators import anchor_inside_flags
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import Tensor

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack import Tracker
from mmgtrack.apis.models import build_network, load_config
from mmgtrack.checkpoint import save_checkpoint_file
from mmgtrack.convert.global_track import KEY_MAP, convert_state_dict
from mmgtrack.evaluation import neuron
from mmgtrack.geometry import ResizeRule
from mmgtrack.models.detections import box_limits, suppress
from mmgtrack.models.global_track.global_track import GlobalTrack, TrainingSearches
from mmgtrack.models.pairs import Detections
from mmgtrack.structures import ClipSample
from tests.device import DEVICE

from .cases import OracleCase, claims
from .comparison import assert_checksum, assert_close, grid, share_of_rows_found
from .official_weights import named_generator, official_weights

CONFIG = 'globaltrack_r50_official'
LEVELS = range(5)
# (height, width) that the README states for the arrays d2b_* and dec_*
DECODED_IMAGE, PROPOSED_IMAGE = (200, 320), (150, 210)
LAST_PIXEL = np.array([0, 0, 1, 1])
# the pictures were resized by this OpenCV; others differ by a grey level here and there
SAME_OPENCV = cv2.__version__.startswith('4.12.')


def arrays_of(case: OracleCase) -> dict[str, np.ndarray]:
    with np.load(case.folder / 'arrays.npz') as file:
        return dict(file)


def config_of() -> Config:
    return load_config(CONFIG)[1]


@cache
def made_by_rule(folder: Path, salt: int) -> dict[str, Tensor]:
    return official_weights(folder, salt)


@cache
def network(folder: Path, salt: int) -> GlobalTrack:
    """The shipped config's model with the rule's weights."""
    tracker = build_network(config_of())
    expected = {name: tensor.shape for name, tensor in tracker.state_dict().items()}
    tracker.load_state_dict(convert_state_dict(made_by_rule(folder, salt), expected))
    return tracker.to(DEVICE).eval()


def network_of(case: OracleCase) -> GlobalTrack:
    return network(case.folder.parent, case.spec['salt'])


@pytest.fixture(scope='module')
def plain_network() -> GlobalTrack:
    """The shipped config's model, for what does not depend on weights."""
    return build_network(config_of())


# ---- building blocks -------------------------------------------------------------------------------


@claims('blocks*')
def test_made_weights(case: OracleCase) -> None:
    weights = made_by_rule(case.folder.parent, case.spec['salt'])
    checksums = json.loads((case.folder.parent / 'weights_checksum.json').read_text())
    for name, (shape, total, squares) in checksums.items():
        values = weights[name].double()
        assert list(values.shape) == shape
        np.testing.assert_allclose(values.sum().item(), total, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(values.square().sum().item(), squares, rtol=1e-6)


@claims('blocks*')
def test_anchors(case: OracleCase, plain_network: GlobalTrack) -> None:
    arrays = arrays_of(case)
    sizes = case.spec['values']['anchor_grid_sizes_hw']
    generator = plain_network.rpn_head.prior_generator
    grids = generator.grid_priors([tuple(size) for size in sizes], device='cpu')
    for level in LEVELS:
        assert_close(generator.base_anchors[level], arrays[f'anchor_base_l{level}'], 0, 0)
        assert_close(grids[level], arrays[f'anchor_grid_l{level}'], 0, 0)


@claims('blocks*')
def test_anchors_inside_the_image(case: OracleCase, plain_network: GlobalTrack) -> None:
    recorded = {name: rows for name, rows in arrays_of(case).items() if name.startswith('inside_flags_')}
    assert recorded
    for name, expected in recorded.items():
        level, size = name.removeprefix('inside_flags_l').split('_')
        height, width = map(int, size.split('x'))
        stride = plain_network.rpn_head.prior_generator.strides[int(level)][0]
        # of the padded image; P6 rounds up once more
        cells = tuple(-(-(-(-side // 32) * 32) // stride) for side in (height, width))
        anchors = plain_network.rpn_head.prior_generator.single_level_grid_priors(
            cells, int(level), device='cpu'
        )
        border = plain_network.train_cfg.rpn.allowed_border
        flags = anchor_inside_flags(anchors, anchors.new_ones(len(anchors)).bool(), (height, width), border)
        assert_close(flags, expected, 0, 0)


@claims('blocks*')
def test_box_coder(case: OracleCase, plain_network: GlobalTrack) -> None:
    arrays = {name: torch.from_numpy(value) for name, value in arrays_of(case).items()}
    rpn, rcnn = plain_network.rpn_head.bbox_coder, plain_network.roi_head.bbox_head.bbox_coder
    rois, truth = arrays['d2b_rois'], arrays['b2d_gt']
    decoded = rpn.decode(rois, arrays['d2b_deltas4'])
    limits = box_limits([DECODED_IMAGE], decoded, plain_network.inclusive_pixels)
    assert_close(decoded, arrays['d2b_out_noclip'], 2e-3, 0)
    assert_close(torch.minimum(decoded.clamp(min=0), limits), arrays['d2b_out_rpn'], 2e-3, 0)
    clipped = torch.minimum(rcnn.decode(rois, arrays['d2b_deltas8']).clamp(min=0), limits.repeat(1, 2))
    assert_close(clipped, arrays['d2b_out_rcnn8'], 2e-3, 0)
    assert_close(rpn.encode(rois, truth), arrays['b2d_out_rpn'], 1e-5, 0)
    assert_close(rcnn.encode(rois, truth), arrays['b2d_out_rcnn'], 1e-5, 0)
    for assigner in (plain_network.rpn_head.assigner, plain_network.roi_head.bbox_assigner):
        assert_close(assigner.iou_calculator(truth[:20], rois[:20]), arrays['iou_20x20'], 1e-6, 0)


@claims('blocks*')
def test_roi_align(case: OracleCase, plain_network: GlobalTrack) -> None:
    arrays = arrays_of(case)
    rois = torch.from_numpy(arrays['ra_rois'])
    recorded = [name.removeprefix('ra_out_') for name in arrays if name.startswith('ra_out_')]
    assert recorded
    for name in recorded:
        size, stride, samples = (int(part.strip('sn')) for part in name.split('_'))
        layer = plain_network.roi_head.bbox_roi_extractor.build_roi_layers(
            dict(type='RoIAlign', output_size=size, sampling_ratio=samples), [stride]
        )[0]
        features = torch.from_numpy(arrays['ra_feat']).requires_grad_()
        pooled = layer(features, rois)
        assert_close(pooled, arrays[f'ra_out_{name}'], 2e-5, 0)
        weights = named_generator(f'ra_grad_{name}', case.spec['salt']).standard_normal(tuple(pooled.shape))
        (pooled * torch.from_numpy(weights.astype(np.float32))).sum().backward()
        assert_close(features.grad, arrays[f'ra_gradin_{name}'], 2e-5, 2e-5)


@claims('blocks*')
def test_levels_of_rois(case: OracleCase, plain_network: GlobalTrack) -> None:
    arrays = arrays_of(case)
    levels = plain_network.roi_head.bbox_roi_extractor.map_roi_levels(torch.from_numpy(arrays['lvl_rois']), 4)
    assert_close(levels, arrays['lvl_out'], 0, 0)


@claims('blocks*')
def test_suppression(case: OracleCase, plain_network: GlobalTrack) -> None:
    arrays = arrays_of(case)
    rpn, rcnn = plain_network.test_cfg.rpn.nms, plain_network.test_cfg.rcnn.nms
    table = [('nms_dets', rcnn, 'nms_keep_5'), ('nms_dets', rpn, 'nms_keep_7')]
    for dets, cfg, kept in [*table, ('nms_tie_dets', rcnn, 'nms_tie_keep_gpu_gt')]:
        rows = torch.from_numpy(arrays[dets])
        order = rows[:, 4].sort(descending=True, stable=True).indices
        keep = suppress(rows[order, :4][None], torch.ones(1, len(rows), dtype=torch.bool), cfg)[0]
        assert_close(order[keep].sort().values, arrays[kept], 0, 0)
    rows = torch.from_numpy(np.concatenate([arrays['mc_boxes'][:, 4:], arrays['mc_scores'][:, 1:]], 1))
    order = rows[:, 4].sort(descending=True, stable=True).indices
    keep = suppress(rows[order, :4][None], torch.ones(1, len(rows), dtype=torch.bool), rcnn)[0]
    assert_close(rows[order[keep].sort().values], arrays['mc_det'], 1e-6, 0)


@claims('blocks*')
def test_assigners(case: OracleCase, plain_network: GlobalTrack) -> None:
    arrays = {name: torch.from_numpy(value) for name, value in arrays_of(case).items()}
    truth = InstanceData(bboxes=arrays['as_gt'], labels=torch.zeros(len(arrays['as_gt']), dtype=torch.long))
    priors = InstanceData(priors=arrays['as_boxes'])
    head = plain_network.rpn_head, plain_network.roi_head
    for assigner, name in ((head[0].assigner, 'rpn'), (head[1].bbox_assigner, 'rcnn')):
        assert_close(assigner.assign(priors, truth).gt_inds, arrays[f'as_inds_{name}'], 0, 0)


@claims('blocks*')
def test_resize_rule(case: OracleCase, plain_network: GlobalTrack) -> None:
    recorded = {name: rows for name, rows in arrays_of(case).items() if name.startswith('rescale_')}
    assert recorded
    for name, rows in recorded.items():
        rule = ResizeRule(*map(int, name.removeprefix('rescale_').split('x')))
        for width, height, new_width, new_height, factor, pad_width, pad_height in rows:
            size = (int(height), int(width))
            assert rule.new_size(size) == (new_height, new_width)
            assert rule.factor(size) == factor
            assert plain_network.data_preprocessor.padded(rule.new_size(size)) == (pad_height, pad_width)


@claims('blocks*')
def test_proposals_of_given_outputs(case: OracleCase, plain_network: GlobalTrack) -> None:
    arrays = arrays_of(case)
    scores, deltas = (
        [torch.from_numpy(arrays[f'dec_{part}_l{level}']) for level in LEVELS] for part in ('cls', 'reg')
    )
    limits = box_limits([PROPOSED_IMAGE], scores[0], plain_network.inclusive_pixels)
    settings = (plain_network.test_cfg.rpn, 'test'), (plain_network.train_cfg.rpn_proposal, 'train')
    for cfg, phase in settings:
        found = rows_of(plain_network.rpn_head.propose_from(scores, deltas, limits, cfg))
        expected = arrays[f'dec_proposals_{phase}']
        assert len(found) == len(expected)
        assert share_of_rows_found(found, expected, 0.01, 1e-6) == 1


def rows_of(found: Detections) -> np.ndarray:
    """(n, 5) boxes and scores of the first pair's valid rows."""
    rows = torch.cat([found.boxes[0], found.scores[0, :, None]], 1)[found.valid[0]]
    return rows.detach().cpu().numpy()


# ---- modulators ------------------------------------------------------------------------------------


@claims('modulators*')
def test_modulators(case: OracleCase) -> None:
    tracker, arrays, values = network_of(case), arrays_of(case), case.spec['values']

    def drawn(name: str, *shape: int) -> Tensor:
        numbers = named_generator(name, case.spec['salt']).standard_normal(shape)
        return torch.from_numpy(numbers.astype(np.float32)).to(DEVICE)

    query, search = (
        [drawn(f'in.feat_{role}.{k}', 1, 256, *size) for k, size in enumerate(values['feat_hw'])]
        for role in 'zx'
    )
    with torch.no_grad():
        for j, box in enumerate(values['boxes']):
            pooled = tracker.roi_head.pool(query, [torch.tensor([box], device=DEVICE)])
            assert_close(pooled[0, :16], arrays[f'b{j}_query_roi_c0_15'], 1e-4, 1e-4)
            kernels = tracker.rpn_head.encode(pooled)
            assert_close(kernels.view(5, 256), arrays[f'b{j}_kernels'], 1e-4, 1e-4)
            maps = tracker.rpn_head.modulate(search, kernels, torch.zeros(1, dtype=torch.long, device=DEVICE))
            for level in LEVELS:
                assert_close(grid(maps[level]), arrays[f'b{j}_out{level}_grid'], 1e-4, 1e-4)
                assert_checksum(maps[level], values[f'b{j}_out{level}'])
        modulator = tracker.roi_head.modulator
        rois = drawn('in.roi_x', *values['rcnn_out'][0])
        out = modulator(rois, modulator.encode(drawn('in.roi_z', 1, 256, 7, 7)))
    assert_close(out[:, :32], arrays['rcnn_out_c0_31'], 1e-4, 1e-4)
    assert_checksum(out, values['rcnn_out'])


# ---- the test path ---------------------------------------------------------------------------------


@claims('track_*')
def test_images_become_features(case: OracleCase) -> None:
    tracker, arrays, values = network_of(case), arrays_of(case), case.spec['values']
    for role, name in (('query', 'z'), ('search', 'x')):
        view, image = prepared(case, role)
        meta = values[f'meta_{name}']
        assert [*view.shape, 3] == meta['img_shape'] and [*image.shape[-2:], 3] == meta['pad_shape']
        assert view.scale == (meta['scale_factor'],) * 2
        if SAME_OPENCV:
            rgb = view.image.flip(0).permute(1, 2, 0).contiguous().numpy()
            assert zlib.crc32(rgb.tobytes()) == values[f'resized_{name}_crc32']
        tolerance = 1e-6 if SAME_OPENCV else 0.02
        assert_close(image[0, :, 40:52, 60:76], arrays[f'prep_{name}_slice'], tolerance, 0)
        with torch.no_grad():
            features = tracker.extract(image)
        for level in LEVELS:
            assert_close(grid(features[level]), arrays[f'fpn_{name}{level}_grid'], 1e-4, 1e-4)
            assert_checksum(features[level], values[f'fpn_{name}{level}'])


@claims('track_*')
@torch.no_grad()
def test_rpn_follows_the_query(case: OracleCase) -> None:
    tracker, arrays, values = network_of(case), arrays_of(case), case.spec['values']
    targets, features, view = encoded(case)
    pooled = tracker.roi_head.pool(tracker.extract(prepared(case, 'query')[1]), [network_boxes(case)])
    box = torch.cat([torch.zeros(1, 1, device=DEVICE), network_boxes(case)], 1)
    assert tracker.roi_head.bbox_roi_extractor.map_roi_levels(box, 4).item() == values['query_level']
    assert_close(network_boxes(case)[0], values['query_box_net'], 1e-4, 0)
    assert_close(pooled[0], arrays['query_roi'], 2e-4, 1e-4)
    assert_close(targets['rpn_kernels'].view(5, 256), arrays['rpn_kernels'], 2e-4, 1e-4)
    assert_close(targets['roi_kernels'][0, :32], arrays['rcnn_z_kernel_c0_31'], 2e-4, 1e-4)
    maps = tracker.rpn_head.modulate(
        features, targets['rpn_kernels'], torch.zeros(1, dtype=torch.long, device=DEVICE)
    )
    scores, deltas = tracker.rpn_head(maps)
    for level in LEVELS:
        for name, found in (('mod', maps), ('rpn_cls', scores), ('rpn_reg', deltas)):
            assert_close(grid(found[level]), arrays[f'{name}{level}_grid'], 2e-4, 1e-4)
            assert_checksum(found[level], values[f'{name}{level}'])
    limits = box_limits([view.shape], maps[0], tracker.inclusive_pixels)
    proposals = rows_of(tracker.rpn_head.propose_from(scores, deltas, limits, tracker.test_cfg.rpn))
    assert abs(len(proposals) - len(arrays['proposals'])) <= 2
    assert share_of_rows_found(proposals, arrays['proposals'], 0.01, 1e-5) >= 0.99


@claims('track_*')
@torch.no_grad()
def test_rcnn_on_recorded_proposals(case: OracleCase) -> None:
    tracker, arrays, values = network_of(case), arrays_of(case), case.spec['values']
    targets, features, view = encoded(case)
    boxes = torch.from_numpy(arrays['proposals'][:, :4]).to(DEVICE)
    frames = torch.zeros(len(boxes), dtype=torch.long, device=DEVICE)
    kernels = targets['roi_kernels']
    pooled = tracker.roi_head.pool(features, [boxes])
    modulated = tracker.roi_head.modulator(pooled, kernels)
    assert_close(pooled[:4, :16], arrays['roi_x_first4_c0_15'], 2e-4, 1e-4)
    assert_close(modulated[:4, :16], arrays['roi_mod_first4_c0_15'], 2e-4, 1e-4)
    assert_checksum(pooled, values['roi_x'])
    assert_checksum(modulated, values['roi_mod'])
    logits, deltas = tracker.roi_head.score(features, boxes, frames, kernels.expand(len(boxes), -1, -1, -1))
    assert_close(logits[:, [1, 0]], arrays['cls_score'], 2e-4, 0)
    assert_close(deltas, arrays['bbox_pred'][:, 4:], 2e-4, 0)
    assert_close(logits.softmax(1)[:, 0], arrays['rcnn_fg_score'], 1e-4, 0)
    refined = tracker.roi_head.bbox_head.bbox_coder.decode(boxes, deltas)
    limits = box_limits([view.shape], refined, tracker.inclusive_pixels)
    assert_close(torch.minimum(refined.clamp(min=0), limits), arrays['rcnn_box_net'], 0.01, 0)


@claims('track_*')
def test_public_tracker(case: OracleCase, tmp_path: Path) -> None:
    """Config and checkpoint in, boxes of the picture out: the detections of the official tracker."""
    arrays, values = arrays_of(case), case.spec['values']
    tracker = public_tracker(case, tmp_path)
    box = np.array([case.spec['query_box_ltrb']]) + LAST_PIXEL
    state = tracker.encode(picture(case, 'query'), box)
    found = tracker.candidates([picture(case, 'search')], state)
    rows = rows_of(Detections(found.boxes[0], found.scores[0], found.valid[0]))
    rows[:, :4] -= LAST_PIXEL
    assert len(rows) == values['n_det'] == len(arrays['det_all'])
    assert share_of_rows_found(rows, arrays['det_all'], 0.01, 1e-4) >= 0.99
    assert share_of_rows_found(rows[:12], arrays['det_top10'], 0.01, 1e-4) == 1
    tracks, _ = tracker.track([picture(case, 'search')], state)
    assert_close(tracks.boxes[0, 0].cpu() - torch.from_numpy(LAST_PIXEL), values['top1_box_ltrb'], 0.01, 0)
    assert_close(found.scores[0, 0, 0], values['top1_score'], 1e-4, 0)


def picture(case: OracleCase, role: str) -> np.ndarray:
    image = cv2.imread(str(case.folder.parent / 'images' / case.spec['images'][role]))
    assert image is not None
    return image


def prepared(case: OracleCase, role: str) -> tuple:
    """View and network input (1, 3, H, W) of a picture, resized by the case's rule."""
    preprocessor = network_of(case).data_preprocessor
    preprocessor.resize = ResizeRule(*case.spec['scale'])
    view = preprocessor.view(picture(case, role))
    return view, preprocessor.batch([view.image])


def network_boxes(case: OracleCase) -> Tensor:
    """The query box (1, 4) as the network counts pixels."""
    tracker, (view, _) = network_of(case), prepared(case, 'query')
    box = torch.tensor([case.spec['query_box_ltrb']], dtype=torch.float32) + torch.from_numpy(LAST_PIXEL)
    return tracker.to_network(box.to(DEVICE), view)


@torch.no_grad()
def encoded(case: OracleCase) -> tuple:
    """What the query leaves, the features of the search image, and its view."""
    tracker = network_of(case)
    targets = tracker.encode_targets(tracker.extract(prepared(case, 'query')[1]), [network_boxes(case)])
    view, image = prepared(case, 'search')
    return targets, tracker.extract(image), view


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
def test_training_step(case: OracleCase) -> None:
    """Losses and gradients; the second stage gets the recorded proposals, as near ties may swap places."""
    tracker, arrays, values = network_of(case), arrays_of(case), case.spec['values']
    take_evenly(tracker)
    data = training_batch(case)
    (sample,) = data['data_samples']
    for role, name in (('query', 'gt_z_net'), ('search', 'gt_x_net')):
        assert_close(tracker.role_boxes(sample, role), arrays[name], 1e-3, 0)
    tracker.train()
    try:
        searches = tracker.training_searches(**data)
        losses, proposals = tracker.rpn_loss(searches)
        check_rpn_samples(tracker, searches, arrays)
        check_training_proposals(proposals, arrays)
        recorded = recorded_proposals(arrays, len(values['queries']))
        check_rcnn_samples(tracker, searches, recorded, arrays)
        losses |= tracker.roi_loss(searches, recorded)
        total, log = tracker.parse_losses(losses)
        tracker.zero_grad()
        total.backward()
    finally:
        tracker.eval()
    for name in ('loss_rpn_cls', 'loss_rpn_bbox'):
        for found, expected in zip(losses[name], values['losses'][name], strict=True):
            assert_close(found, expected, 1e-7, 1e-5)
    for name, expected in values['log_vars'].items():
        assert_close(log[name], expected, 1e-7, 1e-5)
    norms = gradient_norms(tracker)
    assert set(norms) == set(values['grad_l2'])
    for name, norm in values['grad_l2'].items():
        assert (norm is None) == (norms[name] is None), name
        if norm is not None:
            np.testing.assert_allclose(norms[name], norm, rtol=1e-3, atol=1e-9, err_msg=name)


@claims('train_*')
def test_training_searches_one_at_a_time(case: OracleCase) -> None:
    """Each query's own losses, and the official average over queries."""
    tracker, arrays, values = network_of(case), arrays_of(case), case.spec['values']
    take_evenly(tracker)
    data = training_batch(case)
    recorded = recorded_proposals(arrays, len(values['queries']))
    tracker.train()
    try:
        for j, query in enumerate(values['queries']):
            (sample,) = data['data_samples']
            alone = sample.new()
            alone.instances = dict(sample.instances, query=sample.instances['query'][[j]])
            with torch.no_grad():
                searches = tracker.training_searches(data['inputs'], [alone])
                losses, _ = tracker.rpn_loss(searches)
                losses |= tracker.roi_loss(searches, Detections(*(leaf[j : j + 1] for leaf in recorded[:3])))
            for name in ('loss_rpn_cls', 'loss_rpn_bbox'):
                assert_close(torch.stack(losses[name]), np.array(query['rpn'][name]), 1e-7, 1e-5)
            for name in ('loss_cls', 'loss_bbox', 'acc'):
                assert_close(losses[name].squeeze(), query['rcnn'][name], 1e-7, 1e-5)
    finally:
        tracker.eval()


def check_rpn_samples(tracker: GlobalTrack, searches: TrainingSearches, arrays: dict) -> None:
    """The anchors that were sampled, as indices into all of them."""
    head = tracker.rpn_head
    metas = [dict(img_shape=s, pad_shape=searches.padded, loss_weight=1.0) for s in searches.shapes]
    sizes = [m.shape[-2:] for m in searches.maps]
    anchors, flags = head.get_anchors(sizes, metas, device=searches.maps[0].device)
    labels, weights, *_ = head.get_targets(anchors, flags, searches.truths, metas)
    labels, weights = torch.cat(labels, 1), torch.cat(weights, 1)
    for j in range(len(labels)):
        sampled = weights[j] > 0
        assert_close(((labels[j] == 0) & sampled).nonzero()[:, 0], arrays[f'q{j}_rpn_pos_anchor'], 0, 0)
        assert_close(((labels[j] == 1) & sampled).nonzero()[:, 0], arrays[f'q{j}_rpn_neg_anchor'], 0, 0)


def check_training_proposals(proposals: Detections, arrays: dict) -> None:
    for j in range(len(proposals.boxes)):
        found = rows_of(Detections(*(leaf[j : j + 1] for leaf in proposals[:3])))
        expected = arrays[f'q{j}_proposals']
        assert abs(len(found) - len(expected)) <= 2
        assert share_of_rows_found(found, expected, 0.01, 1e-5) >= 0.99


def recorded_proposals(arrays: dict, queries: int) -> Detections:
    """The recorded training proposals of each query, padded to the same number."""
    rows = [torch.from_numpy(arrays[f'q{j}_proposals']).to(DEVICE) for j in range(queries)]
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    counts = torch.tensor([len(r) for r in rows], device=DEVICE)
    valid = torch.arange(padded.shape[1], device=DEVICE) < counts[:, None]
    return Detections(padded[..., :4], padded[..., 4], valid)


def check_rcnn_samples(
    tracker: GlobalTrack, searches: TrainingSearches, proposals: Detections, arrays: dict
) -> None:
    """Sampled indices, labels, encoded targets and head outputs of each query's RoIs."""
    for j, sample in enumerate(tracker.roi_head.sample(proposals, searches.truths)):
        assert_close(sample.pos_inds, arrays[f'q{j}_rcnn_pos'], 0, 0)
        assert_close(sample.neg_inds, arrays[f'q{j}_rcnn_neg'], 0, 0)
        labels, _, targets, _ = tracker.roi_head.bbox_head.get_targets([sample], tracker.train_cfg.rcnn)
        assert_close(1 - labels, arrays[f'q{j}_labels'], 0, 0)  # ours: 0 the target, 1 background
        assert_close(sample.priors, arrays[f'q{j}_rcnn_rois'], 1e-3, 0)
        rois = torch.from_numpy(arrays[f'q{j}_rcnn_rois']).to(DEVICE)
        positive = arrays[f'q{j}_pos_targets']
        assert_close(targets[: len(positive)], positive, 1e-4, 1e-4)
        with torch.no_grad():
            kernels = searches.roi_kernels[[j]].expand(len(rois), -1, -1, -1)
            frames = searches.frames[[j]].expand(len(rois))
            logits, deltas = tracker.roi_head.score(searches.features, rois, frames, kernels)
        assert_close(logits[:, [1, 0]], arrays[f'q{j}_cls_score'], 2e-4, 0)
        assert_close(deltas, arrays[f'q{j}_bbox_pred'][:, 4:], 2e-4, 0)


def take_evenly(tracker: GlobalTrack) -> None:
    """The recorded runs chose ``num`` of n candidates at floor(i * n / num) instead of at random."""

    def choose(gallery: Tensor, num: int) -> Tensor:
        return gallery[torch.arange(num, device=gallery.device) * len(gallery) // num]

    for sampler in (tracker.rpn_head.sampler, tracker.roi_head.bbox_sampler):
        sampler.random_choice = choose


def training_batch(case: OracleCase) -> dict:
    tracker = network_of(case)
    views = {role: prepared(case, role)[0] for role in ('query', 'search')}
    sample = ClipSample()
    sample.instances = {}
    for role, view in views.items():
        boxes = torch.tensor(case.spec[f'boxes_{role}_ltrb'], dtype=torch.float32)
        boxes = (boxes + torch.from_numpy(LAST_PIXEL)) * view.factors(boxes)
        ids = torch.arange(len(boxes))
        sample.instances[role] = InstanceData(bboxes=boxes, ids=ids, labels=torch.zeros_like(ids))
    scale = {role: view.scale[0] for role, view in views.items()}
    sample.set_metainfo({'img_shape': {role: view.shape for role, view in views.items()}, 'scale': scale})
    inputs = {role: [view.image] for role, view in views.items()}
    return tracker.data_preprocessor({'inputs': inputs, 'data_samples': [sample]}, True)


def gradient_norms(tracker: GlobalTrack) -> dict[str, float | None]:
    """L2 norm of every parameter's gradient by its official name, None where it is frozen."""
    return {
        KEY_MAP.source_of(name): None if p.grad is None else p.grad.double().norm().item()
        for name, p in tracker.named_parameters()
    }


# ---- evaluation rules ------------------------------------------------------------------------------


@claims('evaluation*')
def test_evaluation(case: OracleCase) -> None:
    arrays, values = arrays_of(case), case.spec['values']
    fine, coarse = neuron.OtbLikeRule(num_thresholds=101), neuron.OtbLikeRule(num_thresholds=21)
    scores: dict[int, list] = {101: [], 21: []}
    overlaps = []
    for s, expected in enumerate(values['seqs']):
        truth, result = arrays[f'gt{s}'], arrays[f'res{s}']
        overlap, error = neuron.otb_like_frames(truth, result, fine)
        assert_close(overlap, arrays[f'iou{s}'], 1e-9, 0)
        assert_close(error, arrays[f'ce{s}'], 1e-9, 0)
        for rule in (fine, coarse):
            score = neuron.score_otb_like(truth, result, rule)
            scores[rule.num_thresholds].append(score)
            assert score.num_frames == expected['frames_used']
            assert_close(score.success, expected[f'success_{rule.num_thresholds}'], 1e-9, 0)
            assert_close(score.success_rate, expected[f'sr50_{rule.num_thresholds}'], 1e-9, 0)
            assert_close(score.precision, expected['precision20'], 1e-9, 0)
        overlaps.append(neuron.got10k_frames(truth, result, arrays[f'cover{s}'], values['image_size_wh']))
        own = neuron.score_got10k(overlaps[-1:])
        assert_close(np.array([own.ao, own.sr]), [expected['got_ao'], expected['got_sr50']], 1e-9, 0)
    means = {number: neuron.mean_of_sequences(parts) for number, parts in scores.items()}
    together = {
        'success_101': means[101].success,
        'success_21': means[21].success,
        'precision20': means[101].precision,
        'sr50_101': means[101].success_rate,
    }
    assert together == pytest.approx(values['otb_like'], abs=1e-9)
    pooled = neuron.score_got10k(overlaps)
    assert dict(ao=pooled.ao, sr50=pooled.sr) == pytest.approx(values['got10k_pooled'], abs=1e-9)
