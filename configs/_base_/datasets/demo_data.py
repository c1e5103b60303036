"""Query/search pairs of the small demo data, for the light model.

The data lie below the folder named by the environment variable MMGTRACK_DATA (default: data/).
"""

import os

data_root = os.environ.get('MMGTRACK_DATA', 'data/')
long_side = 384  # ours: 4:3 frames at about the size of the demo videos (400x300)
short_side = 288
scale = (long_side, short_side)
samples_per_epoch = 2000  # ours: half the number of images below

# ours: smaller boxes show nothing to learn from; larger ones leave nothing to search
still_images = dict(type='mmgtrack.CocoImages', min_side=6, max_share=0.8)
sources = [
    # ours: shares follow the number of different targets, raised for real motion
    dict(
        type='mmgtrack.SequenceFolder', root=data_root + '/sequences/train', identities=1, weight=0.3),
    dict(
        type='mmgtrack.SequenceFolder', root=data_root + '/clips', nan_means='unknown', identities=3,
        weight=0.3
    ),
    dict(**still_images, root=data_root + '/images', weight=0.15),
    dict(**still_images, root=data_root + '/images2', weight=0.25),
]
# classes for re-identification: the targets of 45 sequences, and up to 3 of each of 77 clips
num_identities = 45 + 3 * 77

photometric = dict(
    type='mmdet.PhotoMetricDistortion', contrast_range=(0.6, 1.4), swap_channels=False
)
query_pipeline = [
    dict(type='mmgtrack.LoadFrame'),
    # the query is a box that a user draws: not as small as targets can get later
    dict(
        type='mmgtrack.RandomZoom',
        scale=scale,
        size_range=(12, 200),
        zoom_range=(0.6, 3.0),
        prob=0.8,
        mix_prob=0.5,
    ),
    dict(type='mmdet.RandomFlip', prob=0.5),
    photometric,
    dict(type='mmgtrack.RandomGrey', prob=0.1),
    dict(type='mmgtrack.RandomBlur', prob=0.1, max_length=5),
]
search_pipeline = [
    dict(type='mmgtrack.LoadFrame'),
    dict(
        type='mmgtrack.RandomZoom',
        scale=scale,
        size_range=(6, 220),
        zoom_range=(0.35, 3.0),
        prob=0.8,
        mix_prob=0.7,
    ),
    dict(type='mmgtrack.RandomErase', prob=0.15),
    dict(type='mmdet.RandomFlip', prob=0.5),
    photometric,
    dict(type='mmgtrack.RandomGrey', prob=0.1),
    dict(type='mmgtrack.RandomBlur', prob=0.2, max_length=7),
    dict(type='mmgtrack.RandomJPEG', prob=0.2),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='mmgtrack.EpochSampler'),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='mmgtrack.ClipDataset',
        sources=sources,
        num_samples=samples_per_epoch,
        roles=('query', 'search'),
        sampler=dict(type='mmgtrack.ClipSampler', max_gap=300, order='random', negative_prob=0.1),
        pipelines=dict(query=query_pipeline, search=search_pipeline),
        min_box_side=3,
        seed=0,
    ),
)

# ImageNet weights that the light backbone starts from, torchvision's or mmdet's names
pretrained = data_root + '/weights/mobilenetv2_1.0_imagenet_features_fp16.npz'

val_sequences = dict(
    type='mmgtrack.SequenceFolder', root=data_root + '/sequences/val', exclude=['composites']
)
# cut-aways: the target leaves for another video and comes back; made, not filmed, so reported apart
val_composites = dict(
    type='mmgtrack.SequenceFolder',
    root=data_root + '/sequences/val/composites',
    frame_root=data_root + '/sequences/val',
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=val_sequences,
)
val_evaluator = dict(type='mmgtrack.SuccessMetric')
test_dataloader = val_dataloader
test_evaluator = val_evaluator
del os
