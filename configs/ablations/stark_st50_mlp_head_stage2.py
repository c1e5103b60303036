# Second stage of stark_st50_mlp_head_stage1.py: the score head.
_base_ = '../stark_st50_stage2.py'

model = dict(
    box_head=dict(_delete_=True, type='mmgtrack.MLPBoxHead', embed_dims=256, num_layers=3))
load_from = 'work_dirs/stark_st50_mlp_head_stage1/epoch_500.pth'
