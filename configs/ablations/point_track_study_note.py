# The loss as the note has it: one point in the box, one outside, none on the right side of 0.5 (2.1).
_base_ = './point_track_study.py'
model = dict(bbox_head=dict(loss_point=dict(num_points=1, dead_zone=True)))
