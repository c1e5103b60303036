# Every level is supervised, the mean that is looked at is not.
_base_ = './point_track_study.py'
model = dict(bbox_head=dict(supervise_fused=False))
