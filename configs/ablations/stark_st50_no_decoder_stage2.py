# Second stage of stark_st50_no_decoder_stage1.py: the score head.
_base_ = '../stark_st50_stage2.py'

model = dict(transformer=dict(decoder=None))
load_from = 'work_dirs/stark_st50_no_decoder_stage1/epoch_500.pth'
