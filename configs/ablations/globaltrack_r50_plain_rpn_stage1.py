# First stage of globaltrack_r50_plain_rpn.py.
_base_ = '../globaltrack_r50_stage1.py'

model = dict(rpn_head=dict(correlation=dict(type='mmgtrack.NoCorrelation')))
