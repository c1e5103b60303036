"""The stand-in takes the extension's place, steps aside, or explains; each in its own process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

REPOSITORY = Path(__file__).parents[2]


def run(program: str, *, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter; `path` is put in front of the others."""
    lines = [
        f'import sys; sys.path[:0] = {[str(part) for part in (path, REPOSITORY) if part]!r}',
        dedent(program),
    ]
    return subprocess.run(
        [sys.executable, '-W', 'always::UserWarning', '-c', '\n'.join(lines)], capture_output=True, text=True
    )


def test_replaces_a_missing_extension() -> None:
    result = run("""
        import importlib.util
        import mmgtrack
        from mmgtrack import ops
        from mmgtrack.errors import OperatorError
        assert 'mmdet' not in sys.modules
        first = ops.report()
        assert (ops.install().extension, first.extension) == ('stand-in', 'stand-in')
        assert importlib.util.find_spec('mmcv._ext') is not None
        import mmcv.ops, mmcv._ext
        assert mmcv._ext.__mmgtrack_standin__
        report = ops.report()
        assert report.operators['roi_align_forward'].engine in ('torch', 'torchvision')
        assert 'nms_rotated' in report.served_by('unavailable')
        try:
            mmcv._ext.nms_rotated()
        except NotImplementedError as error:
            assert isinstance(error, OperatorError) and 'nms_rotated' in str(error), error
            assert 'install' in str(error)
        else:
            raise AssertionError('no refusal')
    """)
    assert result.returncode == 0, result.stderr


def test_steps_aside_for_a_compiled_extension() -> None:
    result = run("""
        import types
        sys.modules['mmcv._ext'] = compiled = types.ModuleType('mmcv._ext')
        compiled.nms = print
        import mmgtrack
        from mmgtrack import ops
        assert sys.modules['mmcv._ext'] is compiled
        assert ops.report().extension == 'compiled'
        assert ops.report().served_by('compiled') == ('nms',)
    """)
    assert result.returncode == 0, result.stderr


# A copy of mmcv's package path with one more folder, in which the extension lies.
EXTENDED = """
    import mmcv
    mmcv.__path__.append({folder!r})
    import mmgtrack
    from mmgtrack import ops
    print(ops.report().extension)
"""


@pytest.mark.parametrize(
    'source, extension, warning',
    [
        ('def nms(): pass', 'compiled', ''),
        ("raise ImportError('undefined symbol: _ZN3c10')", 'stand-in', 'undefined symbol: _ZN3c10'),
        ("raise OSError('libc10.so: cannot open')", 'stand-in', 'libc10.so: cannot open'),
    ],
)
def test_extension_on_disk(tmp_path: Path, source: str, extension: str, warning: str) -> None:
    (tmp_path / '_ext.py').write_text(source)
    result = run(EXTENDED.format(folder=str(tmp_path)))
    assert result.stdout.split() == [extension], result.stderr
    assert warning in result.stderr
    assert ('install an mmcv' in result.stderr) == bool(warning)


def test_refuses_half_made_registries() -> None:
    result = run("""
        try:
            import mmdet.models
        except ImportError:
            pass
        import mmgtrack
    """)
    assert result.returncode == 1
    assert 'ImportOrderError: import mmgtrack before mmdet' in result.stderr


def test_a_detector_runs_and_learns() -> None:
    """RPN, RoIAlign, NMS and their gradients through mmdet, with a small backbone."""
    result = run("""
        import mmgtrack, torch
        from mmengine.config import Config
        from mmdet.registry import MODELS
        from mmdet.structures import DetDataSample
        from mmdet.utils import register_all_modules
        from mmengine.structures import InstanceData
        from mmengine.hub import get_config
        register_all_modules()
        config = get_config('mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py').model
        config.backbone.update(depth=18, base_channels=8, init_cfg=None)
        config.neck.update(in_channels=[8, 16, 32, 64], out_channels=8)
        config.rpn_head.update(in_channels=8, feat_channels=8)
        config.roi_head.bbox_roi_extractor.out_channels = 8
        config.roi_head.bbox_head.update(in_channels=8, fc_out_channels=16, num_classes=2)
        model = MODELS.build(config)
        sample = DetDataSample(metainfo=dict(img_shape=(64, 96), ori_shape=(64, 96),
                                             scale_factor=(1.0, 1.0), pad_shape=(64, 96)))
        sample.gt_instances = InstanceData(bboxes=torch.tensor([[8., 8, 60, 50]]),
                                           labels=torch.tensor([1]))
        losses = model.loss(torch.randn(1, 3, 64, 96), [sample])
        sum(sum(v) if isinstance(v, list) else v
            for k, v in losses.items() if 'loss' in k).backward()
        assert model.neck.fpn_convs[0].conv.weight.grad.abs().sum() > 0
        model.eval()
        with torch.no_grad():
            found, = model.predict(torch.randn(1, 3, 64, 96), [sample])
        assert found.pred_instances.bboxes.shape[1] == 4
    """)
    assert result.returncode == 0, result.stderr
