# The head looks at strides 4 and 8 (the note, 3.2).
_base_ = './point_track_study.py'
model = dict(bbox_head=dict(levels=[0, 1]))
