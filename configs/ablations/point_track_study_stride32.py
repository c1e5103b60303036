# The head looks at stride 32 alone (the note, 3.2).
_base_ = './point_track_study.py'
model = dict(bbox_head=dict(levels=[3]))
