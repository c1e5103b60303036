"""STARK-ST101: STARK-ST50 on ResNet-101 (section 4.1; official baseline_R101)."""

_base_ = './stark_st50.py'

model = dict(
    backbone=dict(
        depth=101,
        init_cfg=dict(checkpoint='https://download.pytorch.org/models/resnet101-5d3b4d8f.pth')))
