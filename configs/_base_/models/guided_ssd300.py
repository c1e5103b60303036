"""SSD300 with VGG-16, cut to its first three levels (Huang et al., ICCV 2019, section 3.5, Fig. 3)."""

_base_ = 'mmdet::_base_/models/ssd300.py'

__channels = (512, 1024, 512)  # of conv4_3, fc7 and conv8_2

model = dict(
    neck=dict(out_channels=__channels, level_strides=(2,), level_paddings=(1,)),
    bbox_head=dict(
        in_channels=__channels,
        num_classes=1,
        anchor_generator=dict(
            strides=[8, 16, 32],
            ratios=[[2], [2, 3], [2, 3]],
            # base sizes (section 3.5), which are SSD's for Pascal VOC; a cell's second square leads over to
            # the next. Weights from COCO have learnt 21, 45 and 99: docs/models/guided_detector.md
            min_sizes=[30, 60, 111],
            max_sizes=[60, 111, 162])))
for __name in ('input_size', 'cudnn_benchmark'):
    _base_.pop(__name, None)
