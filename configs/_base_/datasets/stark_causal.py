"""One template and one search region of LaSOT, GOT-10k, COCO and TrackingNet: STARK-S (official code).

Below the folder named by the environment variable MMGTRACK_DATA (default: data/) lie

    lasot/training_set.txt, lasot/testing_set.txt, lasot/airplane/airplane-1/, ...
    got10k/train/list.txt, got10k/train/GOT-10k_Train_000001/, ...
    got10k/got10k_vot_train_split.txt      7086 sequences without those that VOT forbids (official code)
    coco/annotations/instances_train2017.json, coco/train2017/*.jpg
    trackingnet/TRAIN_0/anno/*.txt, trackingnet/TRAIN_0/frames/*/0.jpg, ... to TRAIN_11

"official" stands for the yaml files and the training code of the authors, where the paper gives no number.
"""

import os

data_root = os.environ.get('MMGTRACK_DATA', 'data/')

template_size, template_factor = 128, 2  # 2^2 times the target's area (section 4.1)
search_size, search_factor = 320, 5  # 5^2 times the target's area (section 4.1)

# the boxes of hidden targets stay, with a flag; see TridentSampler
sources = [  # all with the same weight, as in the list of section 4.1 (official)
    dict(type='mmgtrack.LaSOT', root=data_root + '/lasot', list_file='training_set.txt'),  # 1120 videos
    dict(
        type='mmgtrack.GOT10k', root=data_root + '/got10k', split='train',
        list_file='got10k_vot_train_split.txt'),  # 1k videos are removed (section 4.1)
    # each object is a sequence (official); smaller ones, left out here, show nothing (ours)
    dict(
        type='mmgtrack.CocoInstances', root=data_root + '/coco',
        annotations='annotations/instances_train2017.json', image_folder='train2017', min_side=1),
    dict(type='mmgtrack.TrackingNet', root=data_root + '/trackingnet', sets=tuple(range(12))),  # official
]
# models for GOT-10k's own test set train on all of its videos and on nothing else (section 4.2)
got10k_sources = [dict(type='mmgtrack.GOT10k', root=data_root + '/got10k', split='train')]
got10k_val = dict(type='mmgtrack.GOT10k', root=data_root + '/got10k', split='val')

# one draw for all images of a sample, whole frames, hence before the crop (official)
joint = dict(
    type='mmgtrack.SharedDraw',
    transforms=[
        dict(type='mmgtrack.RandomGrey', prob=0.05),  # official
        dict(type='mmgtrack.RandomMirror', prob=0.5, whole_pixels=True),  # official
    ])
# each image for itself (official)
separate = [
    dict(type='mmgtrack.RandomBrightness', low=0.8, high=1.2),  # official
    dict(type='mmgtrack.RandomMirror', prob=0.5),  # official: template and search may face each other
    dict(type='mmgtrack.RejectPadded', stride=16),  # official: stride of the backbone
]
template_pipeline = [
    dict(type='mmgtrack.LoadFrame'),
    joint,
    dict(type='mmgtrack.CropTarget', factor=template_factor, size=template_size),  # no jitter (official)
    *separate,
]
search_pipeline = [
    dict(type='mmgtrack.LoadFrame'),
    joint,
    dict(
        type='mmgtrack.CropTarget', factor=search_factor, size=search_size,
        scale_jitter=0.5, centre_jitter=4.5),  # official
    *separate,
]

train_dataloader = dict(
    batch_size=16,  # a GPU, of 8 (section 4.1)
    num_workers=8,  # ours: three frames have to be read for every sample
    persistent_workers=True,
    drop_last=True,  # official
    sampler=dict(type='mmgtrack.EpochSampler'),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='mmgtrack.ClipDataset',
        sources=sources,
        num_samples=60000,  # an epoch, over all GPUs (section 4.1)
        roles=('template', 'search'),
        sampler=dict(type='mmgtrack.CausalSampler', max_gap=200, min_length=20),  # official
        pipelines=dict(template=template_pipeline, search=search_pipeline),
        min_box_side=0.1,  # ours: boxes that the border of the crop leaves nothing of; official: none
        seed=0))

# Official runs log losses on 1249 videos of GOT-10k every 20 epochs and choose nothing by them: left out.
val_dataloader = None
val_evaluator = None

# LaSOT's test set: 280 videos, 685,360 frames
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='mmgtrack.LaSOT', root=data_root + '/lasot', list_file='testing_set.txt'))
test_evaluator = dict(type='mmgtrack.SuccessMetric')
del os
