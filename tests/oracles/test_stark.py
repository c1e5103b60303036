"""The official STARK, recorded: crops, positions, network, tracks, losses and gradients."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from torch import Tensor, nn

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack import Tracker
from mmgtrack.apis.models import build_network, load_config
from mmgtrack.checkpoint import save_checkpoint_file
from mmgtrack.convert.key_map import KeyMap
from mmgtrack.convert.stark import LIGHTNING, OFFICIAL
from mmgtrack.geometry import (
    WindowRule,
    box_in_frame,
    boxes_in_crop,
    clip_with_margin,
    crop_image,
    jittered_box,
    mirrored_boxes,
)
from mmgtrack.models.base import WindowPrediction
from mmgtrack.models.stark import Stark, StarkState, soft_argmax
from mmgtrack.models.stark.losses import StarkLoss
from mmgtrack.models.windows import cut_windows
from mmgtrack.structures import ClipSample
from tests.device import DEVICE

from .cases import OracleCase, claims
from .comparison import assert_close
from .stark_weights import official_weights

CONFIGS = {
    'S50': 'stark_s50',
    'ST50': 'stark_st50_stage2',
    'ST101': 'stark_st101_stage2',
    'Lightning': 'stark_lightning',
}
STAGE_1 = {'S50': 'stark_s50', 'ST50': 'stark_st50_stage1'}
RULES = {'z': WindowRule(2, 128), 'x': WindowRule(5, 320)}


def arrays_of(case: OracleCase) -> dict[str, np.ndarray]:
    with np.load(case.folder / 'arrays.npz') as file:
        return dict(file)


@cache
def frame(folder: Path, number: int) -> np.ndarray:
    """(H, W, 3) uint8 BGR of the recorded clip."""
    image = cv2.imread(str(folder / 'clip' / f'{number:03d}.png'))
    assert zlib.crc32(image.tobytes()) == clip_facts(folder)['frames'][f'{number:03d}.png']['crc32_bgr']
    return image


@cache
def clip_facts(folder: Path) -> dict[str, Any]:
    return json.loads((folder / 'clip' / 'clip.json').read_text())


def corners(xywh: Any) -> Tensor:
    """(n, 4) float64 xyxy."""
    boxes = torch.as_tensor(np.asarray(xywh, dtype=np.float64)).reshape(-1, 4)
    return torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1).to(DEVICE)


def xywh(boxes: Tensor) -> Tensor:
    return torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1)


def centred(boxes: Tensor) -> Tensor:
    """cxcywh of xyxy."""
    return torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], dim=1)


def from_centred(boxes: Tensor) -> Tensor:
    return torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], dim=1)


def key_map_of(kind: str) -> KeyMap:
    return LIGHTNING if kind == 'Lightning' else OFFICIAL


def network(
    kind: str, folder: Path, rule: dict[str, Any] | None = None, config: str | None = None, **options: Any
) -> Stark:
    """The shipped config's model with the rule's weights."""
    settings = load_config(config or CONFIGS[kind])[1]
    settings.merge_from_dict(options)
    tracker = build_network(settings)
    expected = {name: tensor.shape for name, tensor in tracker.state_dict().items()}
    tracker.load_state_dict(key_map_of(kind).convert(official_weights(folder, kind, rule), expected))
    assert isinstance(tracker, Stark)
    return tracker.to(DEVICE).eval()


@cache
def recorded_network(kind: str, folder: Path) -> Stark:
    return network(kind, folder)


def assert_stat(found: Tensor, expected: list[float], relative: float) -> None:
    """[sum, sum of squares, max abs]; a sum may cancel, so it is compared with what it sums over."""
    values = found.detach().double().cpu()
    total, squares, peak = expected
    assert abs(values.sum().item() - total) <= relative * np.sqrt(values.numel() * squares)
    np.testing.assert_allclose(values.square().sum().item(), squares, rtol=relative)
    np.testing.assert_allclose(values.abs().max().item(), peak, rtol=relative)


# ---- building blocks -------------------------------------------------------------------------------


@claims('blocks*', 'forward_*', 'lightning*')
def test_made_weights(case: OracleCase) -> None:
    table = json.loads((case.folder.parent / 'weight_checksums.json').read_text())
    kind = case.spec.get('kind', 'Lightning' if case.name.startswith('lightning') else 'S50')
    names = table['lightning' if kind == 'Lightning' else 'common']
    for name, weight in official_weights(case.folder.parent, kind).items():
        if name == 'cls_head.layers.2.bias':
            total, squares = table['cls_head_last_bias'][kind]
        else:
            _, total, squares = names[name]
        np.testing.assert_allclose(weight.double().sum().item(), total, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(weight.double().square().sum().item(), squares, rtol=1e-6)


@claims('blocks*')
def test_positions(case: OracleCase) -> None:
    arrays = arrays_of(case)
    positions = recorded_network('S50', case.folder.parent).search_positions
    for name, step in (('z', 2), ('x', 8)):
        for kind in ('free', 'pad'):
            mask = torch.from_numpy(arrays[f'pos_{name}_{kind}_mask'])[None].to(DEVICE)
            found = positions(mask)[0]
            tolerance = case.spec['tolerance']['pos']
            assert_close(found[::step], arrays[f'pos_{name}_{kind}_ch8'], tolerance, 0)
            assert_stat(found, case.spec[f'pos_{name}_{kind}_stat'], 1e-5)


@claims('blocks*')
def test_crops(case: OracleCase) -> None:
    arrays = arrays_of(case)
    image = frame(case.folder.parent, 0)
    for index, (box, expected) in enumerate(zip(arrays['crop_boxes'], case.spec['crops'], strict=True)):
        for name, rule in RULES.items():
            facts = expected[name]
            place = tuple(rule.windows(corners(box))[0].tolist())
            assert place == (facts['x1'], facts['y1'], facts['side'])
            crop, padding = crop_image(image, place, rule.size)
            rgb = np.ascontiguousarray(crop[..., ::-1])
            assert (zlib.crc32(rgb.tobytes()), int(rgb.sum())) == (facts['crc32'], facts['sum'])
            assert rule.size / place[2] == facts['resize_factor']
            cells = padding[::16, ::16]
            small = 'mask8' if name == 'z' else 'mask20'
            assert (int(padding.sum()), int(cells.sum())) == (facts['mask_count'], facts[f'{small}_count'])
            assert np.array_equal(np.packbits(padding.ravel()), arrays[f'crop{index}_{name}mask'])
            assert np.array_equal(cells, arrays[f'crop{index}_{name}{small}'])
            recorded = arrays[f'crop{index}_{name}' + ('_s5' if name == 'x' else '')]
            step = -(-rule.size // len(recorded))
            assert np.array_equal(rgb[::step, ::step], recorded)


@claims('blocks*')
def test_rounding_of_halves(case: OracleCase) -> None:
    for value, expected in case.spec['rounding']:
        assert torch.tensor(value, dtype=torch.float64).round().item() == expected


@claims('blocks*')
def test_soft_argmax(case: OracleCase) -> None:
    arrays, tolerance = arrays_of(case), case.spec['tolerance']['heat_xy_abs']
    heat = torch.from_numpy(arrays['heat'])
    maps = torch.stack([heat, heat.roll(1, 0)], dim=1)
    found = soft_argmax(maps, 0.0)
    assert_close(found[:, :2] * 320, arrays['heat_xy'], tolerance, 0)
    assert_close(found[:, :2], arrays['heat_xy_norm'], tolerance / 320, 0)
    assert_close(found[:, 2:], np.roll(arrays['heat_xy_norm'], 1, 0), tolerance / 320, 0)
    assert_close(soft_argmax(maps, 0.5)[:, :2] * 320, arrays['heat_xy_lite'], tolerance, 0)


@claims('blocks*')
def test_way_back_into_the_frame(case: OracleCase) -> None:
    table, tolerance = torch.from_numpy(arrays_of(case)['mapclip']), case.spec['tolerance']['mapclip_abs']
    before, predicted, factor, mapped, clipped = table.split([4, 4, 1, 4, 4], dim=1)
    places = (320 / factor).expand(-1, 3)  # of the window only its side counts
    boxes = box_in_frame(from_centred(predicted), corners(before).cpu(), places)
    assert_close(xywh(boxes), mapped, tolerance, 0)
    width, height = case.spec['frame_size']
    sizes = torch.tensor([[width, height]]).expand(len(table), -1)
    assert_close(xywh(clip_with_margin(boxes, sizes, 10)), clipped, tolerance, 0)


@claims('blocks*')
def test_losses_of_boxes(case: OracleCase) -> None:
    arrays, expected = arrays_of(case), case.spec['loss']
    tolerance = case.spec['tolerance']['loss_abs']
    predicted, truth = (torch.from_numpy(arrays[f'loss_{name}_xyxy']) for name in ('pred', 'gt'))
    losses = StarkLoss().of_boxes(predicted, truth, count=len(truth))
    assert_close(losses['loss_giou'] / 2, expected['giou_mean'], tolerance, 0)
    assert_close(losses['loss_l1'] / 5, expected['l1_mean'], tolerance, 0)
    assert_close(losses['loss_giou'] + losses['loss_l1'], expected['total'], tolerance, 0)
    assert_close(losses['iou'], arrays['loss_iou'].mean(), tolerance, 0)
    for box, true, each in zip(predicted, truth, arrays['loss_giou_each'], strict=True):
        one = StarkLoss().of_boxes(box[None], true[None], count=1)['loss_giou']
        assert_close(one / 2, each, tolerance, 0)


@claims('blocks*')
def test_jitter_and_mirrors(case: OracleCase) -> None:
    """Search regions of training: where they are cut, where the target is in them, and mirrored."""
    arrays, tolerance = arrays_of(case), case.spec['tolerance']['jitter_abs']
    rows = [arrays[name].astype(np.float64) for name in ('jitter', 'flip_norm', 'flip_joint')]
    width = case.spec['frame_size'][0]
    for row, normal, joint in zip(*rows, strict=True):
        box = corners(row[:4]).cpu().numpy()[0]
        around = jittered_box(box, row[4:6], row[6:8])
        side = int(RULES['x'].windows(torch.from_numpy(around[None]))[0, 2])
        inside = boxes_in_crop(box[None], around, side, 320)
        assert_close(around, corners(row[8:12])[0], tolerance, 0)
        assert_close(320 / side, row[12], tolerance, 0)
        assert_close(inside / 320, corners(row[13:17]), tolerance, 0)
        assert_close(mirrored_boxes(inside, 320) / 320, corners(normal), tolerance, 0)
        assert_close(mirrored_boxes(box[None], width, whole_pixels=True), corners(joint), tolerance, 0)


# ---- the network, stage by stage -------------------------------------------------------------------


@contextmanager
def recorded(modules: dict[str, nn.Module]) -> Iterator[dict[str, list[Any]]]:
    """What each module gives, call by call."""
    outputs: dict[str, list[Any]] = {name: [] for name in modules}

    def keep(name: str) -> Callable:
        return lambda module, args, output: outputs[name].append(output)

    hooks = [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    yield outputs
    for hook in hooks:
        hook.remove()


def watched_parts(tracker: Stark) -> dict[str, nn.Module]:
    backbone, transformer = tracker.backbone, tracker.transformer
    parts = {name: getattr(backbone, name) for name in ('conv1', 'bn1', 'layer1', 'layer2', 'layer3')}
    parts |= {'neck': tracker.neck, 'transformer': transformer}
    parts |= {f'enc{n}': layer for n, layer in enumerate(transformer.encoder.layers)}
    parts |= {f'dec{n}': layer for n, layer in enumerate(transformer.decoder.layers)}
    parts |= {'hs': transformer.decoder.post_norm, 'box_head': tracker.box_head}
    return parts


def state_of(tracker: Stark, inputs: dict[str, Any], folder: Path) -> StarkState:
    """Templates z1 and, for models with two, z2: made by ``encode`` and ``update``."""
    state = tracker.encode(frame(folder, inputs['z1']['frame']), corners(inputs['z1']['box_xywh']))
    if 'z2' in inputs:
        image, box = frame(folder, inputs['z2']['frame']), corners(inputs['z2']['box_xywh'])
        due = replace(state, age=state.age + tracker.test_cfg['update_intervals'][0] - 1)
        windows = tracker.crop([image], due)
        state = tracker.update(windows, due, WindowPrediction(box, torch.ones(1, device=DEVICE)))
    return state


def input_windows(tracker: Stark, spec: dict[str, Any], folder: Path) -> Any:
    rule = WindowRule(spec['factor'], spec['size'])
    image = frame(folder, spec['frame'])
    return cut_windows(tracker.data_preprocessor, [image], corners(spec['box_xywh']), rule)


@claims('forward_*')
def test_number_of_weights(case: OracleCase) -> None:
    tracker = recorded_network(case.spec['kind'], case.folder.parent)
    assert len(tracker.state_dict()) == case.spec['n_keys']
    assert sum(p.numel() for p in tracker.parameters()) == case.spec['n_params']


@claims('forward_*')
def test_input_tensors(case: OracleCase) -> None:
    tracker = recorded_network(case.spec['kind'], case.folder.parent)
    arrays, tolerance = arrays_of(case), case.spec['tolerance']
    for name, spec in case.spec['inputs'].items():
        windows = input_windows(tracker, spec, case.folder.parent)
        pixels = windows.images[0, :, ::16, ::16]
        assert_close(pixels, arrays[f'{name}_tensor_s16'], tolerance['tensor_abs'], 0)
        assert_stat(windows.images, spec['tensor_stat'], 1e-5)
        assert int(windows.padding.sum()) == spec['mask_count']
        assert np.array_equal(windows.padding[0, ::16, ::16].cpu().numpy(), arrays[f'{name}_mask16'])


@claims('forward_*')
@torch.no_grad()
def test_forward_pass(case: OracleCase) -> None:
    folder, spec, arrays = case.folder.parent, case.spec, arrays_of(case)
    tolerance = spec['tolerance']
    tracker = recorded_network(spec['kind'], folder)
    places = {'z': tracker.template_positions, 'x': tracker.search_positions}
    with recorded(watched_parts(tracker)) as outputs, recorded(places) as positions:
        state = state_of(tracker, spec['inputs'], folder)
        searched = spec['inputs']['x']
        state = replace(state, boxes=corners(searched['box_xywh']))
        windows = tracker.crop([frame(folder, searched['frame'])], state)
        found = tracker.predict_windows(windows, state)
    outputs['pos'] = positions['z'] + positions['x']
    for call, name in enumerate(spec['inputs']):
        for part in ('conv1', 'bn1', 'layer1', 'layer2', 'layer3', 'pos'):
            assert_stat(outputs[part][call], spec[f'{name}_{part}_stat'], tolerance['stats_rel'])
        slices = outputs['layer3'][call][0, ::32, ::2, ::2]
        assert_close(slices, arrays[f'{name}_layer3_slice'], tolerance['layer_slices_abs'], 0)
        tokens = outputs['neck'][call][0].flatten(2).transpose(1, 2)
        assert_stat(tokens, spec[f'{name}_feat_stat'], tolerance['stats_rel'])
        assert_close(tokens[0, :, ::16], arrays[f'{name}_feat_slice'], tolerance['layer_slices_abs'], 0)
    for layer in range(6):
        assert_stat(outputs[f'enc{layer}'][0], spec[f'enc{layer}_stat'], tolerance['stats_rel'])
        decoded = outputs[f'dec{layer}'][0].flatten()
        assert_close(decoded, arrays[f'dec{layer}'], tolerance['decoder_abs'], 0)
    memory, target = outputs['enc5'][0], outputs['hs'][0].flatten()
    assert_stat(memory, spec['memory_stat'], tolerance['stats_rel'])
    assert_close(memory[0, ::2, ::8], arrays['memory_slice'], tolerance['memory_abs'], 0)
    assert_close(target, arrays['hs'], tolerance['hs_abs'], 0)
    search = outputs['transformer'][0].search[0]
    similarity = search @ target
    assert_close(similarity.view(20, 20), arrays['att'], tolerance['att_abs'], 0)
    assert_stat(search * similarity[:, None], spec['opt_stat'], tolerance['stats_rel'])
    head = outputs['box_head'][0]
    for channel, name in enumerate(('tl', 'br')):
        assert_close(head.maps[0, channel], arrays[f'{name}_map'], tolerance['map_abs'], 0)
        shares = head.maps[0, channel].flatten().softmax(0).view(20, 20)
        assert_close(shares, arrays[f'{name}_prob'], tolerance['prob_abs'], 0)
    assert_close(head.boxes[0], arrays['box_xyxy_norm'], tolerance['box_norm_abs'], 0)
    assert_close(centred(head.boxes)[0], arrays['pred_boxes_cxcywh_norm'], tolerance['box_norm_abs'], 0)
    assert_close(xywh(found.boxes)[0], spec['result']['clipped_xywh'], tolerance['image_box_px'], 0)
    if 'score' in spec['result']:
        assert_close(found.scores.logit(), [spec['result']['logit']], tolerance['logit_abs'], 0)
        assert_close(found.scores, [spec['result']['score']], tolerance['score_abs'], 0)


# ---- tracking --------------------------------------------------------------------------------------

COLUMNS = [4, 1, 1, 1, 1, 4, 4, 1, 1, 1, 1]


def rows_of(case: OracleCase) -> list[tuple[Any, ...]]:
    """prev, resize_factor, side, x1, y1, head xyxy, state, conf, updated of each frame."""
    table = torch.from_numpy(arrays_of(case)['table'])
    return [tuple(row.split(COLUMNS)[:9]) for row in table]


@claims('track_*')
@torch.no_grad()
def test_track_told_the_last_box(case: OracleCase) -> None:
    """Each frame from the recorded box before it and with the recorded template updates."""
    folder, tolerance = case.folder.parent, case.spec['tolerance']['teacher_forced']
    tracker = recorded_network(case.spec['kind'], folder)
    scored = tracker.score_head is not None
    intervals = [case.spec['update_interval']] if scored else []
    state = tracker.encode(frame(folder, 0), corners(case.spec['init_xywh']))
    with settings(tracker, intervals), recorded({'box_head': tracker.box_head}) as outputs:
        for number, row in enumerate(rows_of(case), start=1):
            before, _, side, x1, y1, head, after, conf, updated = row
            image = frame(folder, number)
            state = replace(state, boxes=corners(before))
            windows = tracker.crop([image], state)
            place = windows.places[0].tolist()
            assert place == [int(x1), int(y1), int(side)]
            crop = crop_image(image, tuple(place), 320)[0][..., ::-1]
            assert zlib.crc32(np.ascontiguousarray(crop).tobytes()) == case.spec['crop_crc32'][number - 1]
            found = tracker.predict_windows(windows, state)
            assert_close(outputs['box_head'][-1].boxes[0], head, tolerance['head_norm_abs'], 0)
            assert_close(xywh(found.boxes)[0], after, tolerance['state_px'], 0)
            if scored:
                assert_close(found.scores, conf, tolerance['conf_abs'], 0)
                # of what was recorded, not of what was found
                told = WindowPrediction(corners(after), conf.to(DEVICE))
                updated_state = tracker.update(windows, state, told)
                assert torch.equal(updated_state.templates, state.templates) != bool(updated)
                state = updated_state
            state = replace(state, age=state.age + 1)


@claims('track_*')
def test_free_track(case: OracleCase, tmp_path: Path) -> None:
    """The public tracker, on the fast path, from the first frame on."""
    folder, kind = case.folder.parent, case.spec['kind']
    tolerance = case.spec['tolerance']['free_running']
    weights = recorded_network(kind, folder).state_dict()
    meta = {'config_name': CONFIGS[kind]}
    save_checkpoint_file({'state_dict': weights, 'meta': meta}, tmp_path / 'stark.pth')
    tracker = Tracker(checkpoint=tmp_path / 'stark.pth', device=DEVICE)
    if kind != 'S50':
        tracker.model.test_cfg['update_intervals'] = [case.spec['update_interval']]
    state = tracker.encode(frame(folder, 0), corners(case.spec['init_xywh']))
    for number, row in enumerate(rows_of(case), start=1):
        tracks, later = tracker.track([frame(folder, number)], state)
        *_, after, conf, updated = row
        assert_close(xywh(tracks.boxes[0])[0], after, tolerance['state_px'], 0)
        if kind != 'S50':
            assert_close(tracks.scores[0], conf, tolerance['conf_abs'], 0)
            assert torch.equal(later.templates, state.templates) != bool(updated)
        state = later


@contextmanager
def settings(tracker: Stark, intervals: list[int]) -> Iterator[None]:
    before = tracker.test_cfg['update_intervals']
    tracker.test_cfg['update_intervals'] = intervals
    yield
    tracker.test_cfg['update_intervals'] = before


# ---- training --------------------------------------------------------------------------------------


def without_dropout(tracker: Stark) -> Stark:
    for module in tracker.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
    return tracker.train()


def training_network(case: OracleCase, config: str, without_last: int = 0, **options: Any) -> Stark:
    rule = dict(case.spec['rule'])
    rule['gain'] = rule['gain'][: len(rule['gain']) - without_last]
    return without_dropout(network(case.spec['kind'], case.folder.parent, rule, config, **options))


def training_batch(case: OracleCase, tracker: Stark) -> tuple[dict[str, Tensor], list[ClipSample]]:
    """Both samples, as the data set would give them."""
    roles = ('template', 'dynamic_template', 'search')
    images: dict[str, list[Tensor]] = {}
    samples = []
    for spec, truth in zip(case.spec['spec'], case.spec['gt_xywh_norm'], strict=True):
        used = dict(zip(roles, spec['z'][: tracker.num_templates], strict=False)) | {'search': spec['x']}
        sample, masks = ClipSample(), {}
        for role, (number, box) in used.items():
            rule = RULES['x' if role == 'search' else 'z']
            image = frame(case.folder.parent, number)
            windows = cut_windows(tracker.data_preprocessor, [image], corners(box), rule)
            images.setdefault(role, []).append(windows.images[0])
            masks[role] = windows.padding[0]
        box = corners(truth).float() * 320
        sample.instances = {'search': InstanceData(bboxes=box, ids=torch.zeros(1), labels=torch.zeros(1))}
        sample.masks = masks
        sample.set_metainfo({'img_shape': {'search': (320, 320)}})
        samples.append(sample)
    return {role: torch.stack(parts) for role, parts in images.items()}, samples


def gradient_norms(tracker: Stark) -> dict[str, float]:
    """By official name."""
    return {
        OFFICIAL.source_of(name): parameter.grad.norm().item()
        for name, parameter in tracker.named_parameters()
        if parameter.grad is not None
    }


def assert_gradients(found: dict[str, float], expected: dict[str, float], relative: float) -> None:
    for name, norm in expected.items():
        if 'conv5' in name and name.endswith('bias'):  # zero up to rounding: softmax does not see a shift
            assert found[name] < 1e-3
        else:
            np.testing.assert_allclose(found[name], norm, rtol=relative, atol=1e-12, err_msg=name)


@claims('train_*')
def test_first_stage(case: OracleCase) -> None:
    expected, tolerance, arrays = case.spec['stage1'], case.spec['tolerance'], arrays_of(case)
    tracker = training_network(case, STAGE_1[case.spec['kind']])
    with recorded({'box_head': tracker.box_head}) as outputs:
        losses = tracker(*training_batch(case, tracker), mode='loss')
    total = losses['loss_giou'] + losses['loss_l1']
    assert_close(outputs['box_head'][0].boxes, case.spec['pred_xyxy_norm'], tolerance['pred_norm_abs'], 0)
    assert_close(total, expected['Loss/total'], tolerance['loss_abs'], 0)
    assert_close(losses['loss_giou'] / 2, expected['Loss/giou'], tolerance['loss_abs'], 0)
    assert_close(losses['loss_l1'] / 5, expected['Loss/l1'], tolerance['loss_abs'], 0)
    assert_close(losses['iou'], expected['IoU'], tolerance['loss_abs'], 0)
    total.backward()
    norms = gradient_norms(tracker)
    assert_gradients(norms, case.spec['grad_norms'], tolerance['grad_norm_rel'])
    whole = sum(norm**2 for norm in norms.values()) ** 0.5
    np.testing.assert_allclose(
        whole, expected['grad_norm_total_before_clip'], rtol=tolerance['grad_norm_rel']
    )
    names = {OFFICIAL.source_of(name): p for name, p in tracker.named_parameters()}
    frozen = [name for name, parameter in names.items() if not parameter.requires_grad]
    assert len(frozen) == case.spec['n_frozen']
    assert len(names) - len(frozen) == case.spec['n_trainable']
    assert set(case.spec['frozen']) - {'...'} <= set(frozen)
    assert not set(case.spec['no_grad']) & set(norms)
    norm = tracker.box_head.top_left[0].bn
    assert norm.num_batches_tracked == case.spec['bn_num_batches_tracked']
    last = tracker.box_head.bottom_right[3].bn
    for name, found in (('tl1', norm), ('br4', last)):
        for part in ('running_mean', 'running_var'):
            values = arrays[f'bn_{name}_{part}']
            # of the largest: a mean close to zero is a difference of large numbers
            assert_close(getattr(found, part), values, tolerance['bn_rel'] * np.abs(values).max(), 0)


@claims('train_*')
def test_one_inverted_box(case: OracleCase) -> None:
    """The official code drops the batch's GIoU then; ours keeps that of the others unless told so."""
    expected, tolerance = case.spec['stage1_degenerate'], case.spec['tolerance']
    tracker = training_network(case, STAGE_1[case.spec['kind']], without_last=2)
    batch = training_batch(case, tracker)
    tracker.losses.drop_giou_of_batch = True
    with recorded({'box_head': tracker.box_head}) as outputs:
        losses = tracker(*batch, mode='loss')
    boxes = outputs['box_head'][0].boxes
    assert_close(boxes, expected['pred_xyxy_norm'], tolerance['pred_norm_abs'], 0)
    assert losses['loss_giou'] == expected['Loss/giou'] == 0
    assert losses['iou'] == expected['IoU'] == 0
    assert_close(losses['loss_l1'] / 5, expected['Loss/l1'], tolerance['loss_abs'], 0)
    assert_close(losses['loss_giou'] + losses['loss_l1'], expected['Loss/total'], tolerance['loss_abs'], 0)
    upright = (boxes[:, 2:] >= boxes[:, :2]).all(1)
    tracker.losses.drop_giou_of_batch = False
    kept = tracker(*batch, mode='loss')['loss_giou']
    assert (kept > 0) == bool(upright.any())


@claims('train_ST*')
def test_second_stage(case: OracleCase) -> None:
    expected, tolerance = case.spec['stage2'], case.spec['tolerance']
    tracker = training_network(case, CONFIGS[case.spec['kind']])
    inputs, samples = training_batch(case, tracker)
    for sample, label in zip(samples, expected['labels'], strict=True):
        if not label:
            sample.instances['search'] = sample.instances['search'][:0]
    with recorded({'score_head': tracker.score_head}) as outputs:
        losses = tracker(inputs, samples, mode='loss')
    assert_close(outputs['score_head'][0].flatten(), expected['logits'], tolerance['logit_abs'], 0)
    assert_close(losses['loss_score'], expected['cls_loss'], tolerance['cls_loss_abs'], 0)
    losses['loss_score'].backward()
    norms = gradient_norms(tracker)
    assert_gradients(norms, expected['grad_norms'], tolerance['grad_norm_rel'])
    assert set(norms) == set(expected['grad_norms'])
    whole = sum(norm**2 for norm in norms.values()) ** 0.5
    np.testing.assert_allclose(whole, expected['grad_norm_total'], rtol=tolerance['grad_norm_rel'])
    counter = tracker.box_head.top_left[0].bn.num_batches_tracked
    assert counter == expected['bn_num_batches_tracked']


# ---- Lightning -------------------------------------------------------------------------------------


def lightning_inputs(folder: Path) -> tuple[tuple[np.ndarray, Tensor], tuple[np.ndarray, Tensor]]:
    """Template and search region: those of the forward case of S50 (README)."""
    spec = json.loads((folder / 'forward_S50' / 'case.json').read_text())['inputs']
    return tuple((frame(folder, s['frame']), corners(s['box_xywh'])) for s in (spec['z1'], spec['x']))


def fused_name(name: str) -> str:
    """Official name of a weight in deploy form: a fused block stands where its branches stood."""
    branch = LIGHTNING.source_of(name.replace('branch_reparam', 'branch_1x1'))
    return branch.replace('rbr_1x1', 'rbr_reparam')


@claims('lightning*')
@pytest.mark.parametrize('form', ['train', 'deploy'])
@torch.no_grad()
def test_lightning(case: OracleCase, form: str) -> None:
    folder, expected, arrays = case.folder.parent, case.spec[form], arrays_of(case)
    tolerance = case.spec['tolerance']
    tracker = network('Lightning', folder)
    assert len(tracker.state_dict()) == case.spec['n_keys_train']
    assert sum(p.numel() for p in tracker.parameters()) == case.spec['n_params_train']
    if form == 'deploy':
        tracker.fold()
        assert len(tracker.state_dict()) == case.spec['n_keys_deploy']
        assert sum(p.numel() for p in tracker.parameters()) == case.spec['n_params_deploy']
        found = {fused_name(name): weight for name, weight in tracker.state_dict().items()}
        for name, (total, squares) in case.spec['deploy_checksums'].items():
            np.testing.assert_allclose(found[name].double().sum().item(), total, rtol=1e-5, atol=1e-4)
            np.testing.assert_allclose(found[name].double().square().sum().item(), squares, rtol=1e-5)
    (first, first_box), (image, box) = lightning_inputs(folder)
    parts = {'neck': tracker.neck, 'pos': tracker.search_positions, 'transformer': tracker.transformer}
    with recorded(parts | {'box_head': tracker.box_head}) as outputs:
        state = replace(tracker.encode(first, first_box), boxes=box)
        tracker.predict_windows(tracker.crop([image], state), state)
    template, search = (out[0].flatten(2).transpose(1, 2)[0] for out in outputs['neck'])
    assert_close(template[:, ::8], arrays['z_feat_slice'], tolerance['feat_abs'], 0)
    assert_close(search[::2, ::8], arrays['x_feat_slice'], tolerance['feat_abs'], 0)
    assert_stat(search, expected['x_feat_stat'], 1e-5)
    places = outputs['pos'][0].flatten(2).transpose(1, 2)[0]
    assert_close(places[::2, ::8], arrays['pos_x_slice'], 1e-6, 0)
    memory = outputs['transformer'][0].search[0]
    assert_close(memory[::2, ::8], arrays['memory_slice'], tolerance['memory_abs'], 0)
    assert_stat(memory, expected['memory_stat'], 1e-5)
    head = outputs['box_head'][0]
    for channel, name in enumerate(('tl', 'br')):
        assert_close(head.maps[0, channel], arrays[f'{name}_map'], tolerance['map_abs'], 0)
    assert_close(centred(head.boxes)[0], expected['pred_cxcywh_norm'], tolerance['box_norm_abs'], 0)
