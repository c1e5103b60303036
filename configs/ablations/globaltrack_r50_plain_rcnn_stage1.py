# First stage of globaltrack_r50_plain_rcnn.py.
_base_ = '../globaltrack_r50_stage1.py'

model = dict(roi_head=dict(modulator=dict(type='mmgtrack.NoModulation')))
