# Table 2: ResNet-101. The zoo has no such detector on one map: it starts from ImageNet.
_base_ = '../guided_faster_rcnn_r50.py'

start = dict(type='Pretrained', checkpoint='open-mmlab://detectron2/resnet101_caffe')
model = dict(
    detector=dict(
        backbone=dict(depth=101, init_cfg=start),
        roi_head=dict(shared_head=dict(depth=101, init_cfg=start))))
load_from = None
del start
