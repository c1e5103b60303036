# Points on the right side of 0.5 are not trained, as the note has it (2.1).
_base_ = './point_track_study.py'
model = dict(bbox_head=dict(loss_point=dict(dead_zone=True)))
