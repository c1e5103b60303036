"""The ablations of GuidedDetector (Huang et al., ICCV 2019) as rows for guided_ablation.py.

A row without a checkpoint takes the last one in <work dirs>/<config name>. A row that is trained otherwise
has weights of its own; those of the light model that say "same weights" are other ways to track alone.
"""

import os

data_root = os.environ.get('MMGTRACK_DATA', 'data/')
ssd300 = 'mmgtrack::guided_ssd300_vgg16.py'
light = 'mmgtrack::guided_mobilenetv2_lite.py'

# the paper tried several numbers of steps and rates, and does not say which
descent = {
    'model.learner.first_steps': [1, 5, 20],
    'model.learner.inner_lr': [0.0005, 0.005, 0.05],
}
# and took those with the highest AUC on ten videos of OTB-2015 outside OTB-2013, unnamed: every fifth of them
otb2015 = dict(
    data='otb2015',
    sequences=[
        'Biker',
        'BlurCar2',
        'Board',
        'Car24',
        'Dancer2',
        'Gym',
        'Human6',
        'KiteSurf',
        'Skater',
        'Toy',
    ],
)
# training sequences of the demo data that keep every third frame at least: others jump too far to be tracked
training = dict(
    data='folder',
    root=data_root + '/sequences/train',
    sequences=[
        'Bird2',
        'Couple',
        'Crossing',
        'Man',
        'blackswan',
        'car-shadow',
        'drift-chicane',
        'drift-straight',
        'horsejump-high',
        'kite-surf',
        'libby',
        'motocross-jump',
        'scooter-black',
        'tennis',
        'wakeboard7',
    ],
)

table1 = [
    dict(name='full', config=ssd300),
    dict(
        name='plain gradient descent',
        config='mmgtrack::ablations/guided_ssd300_gradient_descent.py',
        grid=descent,
        chosen_by=otb2015,
    ),
    dict(
        name='no anchored updating',
        config='mmgtrack::ablations/guided_ssd300_no_anchor.py',
        checkpoint='guided_ssd300_vgg16',  # trained as "full" is
    ),
    dict(name='no box-head adaptation', config='mmgtrack::ablations/guided_ssd300_no_box_adaptation.py'),
    dict(name='single exemplar size', config='mmgtrack::ablations/guided_ssd300_single_exemplar.py'),
]
table2 = [
    dict(name='VGG-16', config='mmgtrack::ablations/guided_faster_rcnn_vgg16.py'),
    dict(name='ResNet-34', config='mmgtrack::ablations/guided_faster_rcnn_r34.py'),
    dict(name='ResNet-50', config='mmgtrack::guided_faster_rcnn_r50.py'),
    dict(name='ResNet-101', config='mmgtrack::ablations/guided_faster_rcnn_r101.py'),
]
# table 1 for the light model; how the rows with checkpoints are trained: docs/guided_ablation.md
light_table1 = [
    dict(name='full', config=light),
    dict(
        name='plain gradient descent',
        config=light,
        checkpoint='guided_mobilenetv2_lite_gradient_descent',
        grid=descent,
        chosen_by=training,
    ),
    dict(name='no anchored updating', config=light, options={'model.learner.anchor_weight': 0.0}),
    dict(
        name='no box-head adaptation, same weights',
        config=light,
        options={'model.learner.adapt_boxes': False},
    ),
    dict(
        name='no adaptation, same weights',
        config=light,
        options={'model.learner.first_steps': 0, 'model.learner.online_steps': 0},
    ),
    dict(
        name='single exemplar size',
        config=light,
        checkpoint='guided_mobilenetv2_lite_single_exemplar',
        options={'model.exemplar.sizes': 96},
    ),
]
del os
