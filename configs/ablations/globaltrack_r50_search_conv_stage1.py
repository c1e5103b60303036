# First stage of globaltrack_r50_search_conv.py.
_base_ = '../globaltrack_r50_stage1.py'

model = dict(rpn_head=dict(correlation=dict(project_search=True)))
