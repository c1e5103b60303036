"""torchvision as an engine: equal to our own where it works, out of the way where it does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmgtrack import ops
from mmgtrack.ops import torchvision_engine

usable = pytest.mark.skipif(not torchvision_engine.is_usable(), reason=torchvision_engine.obstacle())
GENERATOR = torch.Generator().manual_seed(0)
REPOSITORY = Path(__file__).parents[2]


@usable
@pytest.mark.parametrize('iou_threshold', [0.1, 0.5])
def test_nms_also_with_tied_scores(iou_threshold: float) -> None:
    corner = torch.rand(80, 2, generator=GENERATOR) * 40
    boxes = torch.cat([corner, corner + 12], dim=1)
    scores = torch.randint(5, (80,), generator=GENERATOR) / 5
    assert torch.equal(
        torchvision_engine.nms(boxes, scores, iou_threshold), ops.nms(boxes, scores, iou_threshold)
    )


@usable
@pytest.mark.parametrize('ratio', [0, 2])
@pytest.mark.parametrize('aligned', [True, False])
def test_roi_align(ratio: int, aligned: bool) -> None:
    features = torch.rand(2, 3, 9, 12, generator=GENERATOR)
    rois = torch.tensor([[0.0, 4, 4, 30, 20], [1, 8, 8, 8, 8], [1, -9, 2, 99, 50]])
    torch.testing.assert_close(
        torchvision_engine.roi_align(features, rois, (3, 2), 0.25, ratio, aligned),
        ops.roi_align(features, rois, (3, 2), 0.25, ratio, aligned),
        rtol=1e-5,
        atol=1e-5,
    )


@usable
def test_deform_conv2d() -> None:
    inputs, weight = torch.rand(2, 4, 6, 7), torch.rand(6, 2, 3, 3)
    offset, mask = torch.randn(2, 36, 6, 7), torch.rand(2, 18, 6, 7)
    how = {'stride': (1, 1), 'padding': (1, 1), 'dilation': (1, 1), 'groups': 2, 'deform_groups': 2}
    torch.testing.assert_close(
        torchvision_engine.deform_conv2d(inputs, offset, weight, torch.ones(6), mask, **how),
        ops.deform_conv2d(inputs, offset, weight, torch.ones(6), mask=mask, **how),
        rtol=1e-5,
        atol=1e-5,
    )


def test_a_build_for_another_torch_is_left_alone(tmp_path: Path) -> None:
    package = tmp_path / 'torchvision'
    package.mkdir()
    (package / '__init__.py').write_text(
        "from . import extension\nraise RuntimeError('operator torchvision::nms')\n"
    )
    (package / 'extension.py').write_text('')
    program = (
        f'import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(REPOSITORY)!r}]\n'
        'from mmgtrack import ops\n'
        "assert 'torchvision' not in sys.modules\n"
        "print(ops.report().operators['nms'])\n"
        "assert not [name for name in sys.modules if name.startswith('torchvision')]\n"
    )
    result = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "engine='torch'" in result.stdout
    assert 'RuntimeError: operator torchvision::nms' in result.stdout
