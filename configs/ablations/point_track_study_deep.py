# The head looks at strides 16 and 32 (the note, 3.2).
_base_ = './point_track_study.py'
model = dict(bbox_head=dict(levels=[2, 3]))
