# Table 1, "No Reg. Finetuning": the inner loop and updates change the classification layers alone.
_base_ = '../guided_ssd300_vgg16.py'

model = dict(learner=dict(adapt_boxes=False))
