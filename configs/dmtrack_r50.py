# DMTrack over ResNet-50, without deformable convolutions; everything else as dmtrack_dla34.py.
_base_ = './dmtrack_dla34.py'

backbone_channels = [512, 1024, 2048]

model = dict(
    backbone=dict(
        _delete_=True,
        type='ResNet',
        depth=50,
        out_indices=(1, 2, 3),
        frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=True,
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50')),
    neck=dict(in_channels=backbone_channels),
    re_id_head=dict(in_channels=backbone_channels))
