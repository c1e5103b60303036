# Table 1, "No Anch. Updating": an update goes on from the last one alone. Trained as guided_ssd300_vgg16.py.
_base_ = '../guided_ssd300_vgg16.py'

model = dict(learner=dict(anchor_weight=0))
