# A plain R-CNN behind the query-guided RPN: what guidance in the second stage brings.
# Ours: Table 2 compares the two stages of one model, both guided.
_base_ = '../globaltrack_r50.py'

model = dict(roi_head=dict(modulator=dict(type='mmgtrack.NoModulation')))
load_from = 'work_dirs/globaltrack_r50_plain_rcnn_stage1/epoch_12.pth'
