# Second stage of stark_st50_no_positions_stage1.py: the score head.
_base_ = '../stark_st50_stage2.py'

model = dict(template_positions=None, search_positions=None)
load_from = 'work_dirs/stark_st50_no_positions_stage1/epoch_500.pth'
