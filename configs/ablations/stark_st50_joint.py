# Table 8, Loc-Cls joint: boxes and scores in one stage of training. Half of the search regions are without
# the target, as the classification wants it (section 4.5); they take no part in the loss of boxes, which is a
# mean over all samples all the same (ours: the paper does not say).
_base_ = '../stark_st50_stage1.py'

model = dict(train_cfg=dict(stage='joint'), test_cfg=dict(use_score_head=True))

train_dataloader = dict(dataset=dict(sampler=dict(negative_prob=0.5)))  # section 4.5

find_unused_parameters = False  # all of them learn
