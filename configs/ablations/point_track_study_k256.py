# k = 256: points in the box, and as many outside it, that a map is trained by (the note, 3.3).
_base_ = './point_track_study.py'
model = dict(bbox_head=dict(loss_point=dict(num_points=256)))
