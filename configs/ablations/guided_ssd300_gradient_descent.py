# Table 1, "GD": trained without the inner loop, so that the head has not learnt to learn. Tracking adapts it
# by plain gradient descent all the same; steps and rate are to be chosen on validation videos.
_base_ = '../guided_ssd300_vgg16.py'

model = dict(learner=dict(inner_steps=0))
