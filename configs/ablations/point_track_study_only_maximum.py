# The rule that the note rejects: only the highest point of the whole map is trained (2.1).
_base_ = './point_track_study_note.py'
model = dict(bbox_head=dict(loss_point=dict(only_maximum=True)))
