# Table 1, "No Multi-Res.": one exemplar for all levels. Ours: the middle one's, which has a target's size.
_base_ = '../guided_ssd300_vgg16.py'

model = dict(exemplar=dict(sizes=120))
train_dataloader = dict(
    dataset=dict(
        pipelines=dict(
            exemplar=[_base_.load, _base_.joint, dict(_base_.exemplar_crop, size=120)])))
