# Single-query loss (Table 3): one random query of those that a pair of images offers, M = 1 in Eq. 6.
_base_ = '../globaltrack_r50.py'

train_dataloader = dict(dataset=dict(sampler=dict(max_instances=1)))
load_from = 'work_dirs/globaltrack_r50_single_query_stage1/epoch_12.pth'
