# Table 2: VGG-16. The zoo has no such detector: it starts from ImageNet, fully connected layers from nothing.
_base_ = '../guided_faster_rcnn_r50.py'

channels = 512
model = dict(
    detector=dict(
        # of the weights below, which mmdet's SSD starts from
        data_preprocessor=dict(mean=[123.675, 116.28, 103.53], bgr_to_rgb=True),
        backbone=dict(
            _delete_=True,
            type='mmgtrack.VGG',
            depth=16,
            frozen_stages=2,  # conv1 and conv2, as in Faster R-CNN's paper
            init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://vgg16_caffe')),
        rpn_head=dict(in_channels=channels, feat_channels=channels),
        roi_head=dict(
            shared_head=None,
            bbox_roi_extractor=dict(roi_layer=dict(output_size=7), out_channels=channels),
            bbox_head=dict(
                type='Shared2FCBBoxHead',
                in_channels=channels,
                fc_out_channels=1024,  # ours: mmdet's; 4096 in Faster R-CNN's paper, from ImageNet weights
                with_avg_pool=False))))
load_from = None
del channels
