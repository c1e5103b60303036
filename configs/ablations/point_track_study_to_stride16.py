# Backbone and pyramid end at stride 16; all their levels are supervised (the note, 3.2).
_base_ = './point_track_study.py'
strides = [4, 8, 16]
model = dict(
    backbone=dict(out_indices=(1, 2, 4)),
    neck=dict(neck=dict(in_channels=[24, 32, 96], num_outs=3), num_levels=3),
    roi_extractor=dict(featmap_strides=strides),
    bbox_head=dict(strides=strides))
