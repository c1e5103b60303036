# The rule that the note rejects: the highest points of the map alone are trained (the note, 2.1).
_base_ = './point_track_study.py'
model = dict(bbox_head=dict(loss_point=dict(only_maximum=True)))
