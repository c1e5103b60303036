# f_x of Eq. 1, a 3x3 convolution of the search features, which the paper has and the official code has not.
_base_ = '../globaltrack_r50.py'

model = dict(rpn_head=dict(correlation=dict(project_search=True)))
load_from = 'work_dirs/globaltrack_r50_search_conv_stage1/epoch_12.pth'
