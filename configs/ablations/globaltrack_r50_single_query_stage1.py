# First stage of globaltrack_r50_single_query.py: COCO's images are those with several instances.
_base_ = '../globaltrack_r50_stage1.py'

train_dataloader = dict(dataset=dict(sampler=dict(max_instances=1)))
