# Table 2: ResNet-34. The zoo has no such detector on one map: it starts from ImageNet.
_base_ = '../guided_faster_rcnn_r50.py'

start = dict(type='Pretrained', checkpoint='torchvision://resnet34')
channels = 256
model = dict(
    detector=dict(
        # of torchvision's weights
        data_preprocessor=dict(
            mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
        backbone=dict(depth=34, style='pytorch', init_cfg=start),
        rpn_head=dict(in_channels=channels, feat_channels=channels),
        roi_head=dict(
            shared_head=dict(depth=34, style='pytorch', init_cfg=start),
            bbox_roi_extractor=dict(out_channels=channels),
            bbox_head=dict(in_channels=2 * channels))))
load_from = None
del start, channels
