"""Query/search pairs of single COCO images: stage 1 of GlobalTrack's training (official code).

Below the folder named by the environment variable MMGTRACK_DATA (default: data/) lie

    coco/annotations/instances_train2017.json, coco/train2017/*.jpg
    lasot/testing_set.txt, lasot/airplane/airplane-1/, ...      for `sequence_dataloader` alone

Every name here starts with clip_ or sequence_, so that the file stands beside a config of mmdet's zoo:
train_dataloader = dict(_delete_=True, **_base_.clip_dataloader)
"""

import os

clip_root = os.environ.get('MMGTRACK_DATA', 'data/')

# crowds and objects to be ignored are left out by the reader, categories do not matter (official code)
clip_coco = dict(
    type='mmgtrack.CocoImages',
    root=clip_root + '/coco',
    annotations='annotations/instances_train2017.json',
    image_folder='train2017',
    min_image_side=32,  # official code
    min_side=1)  # official code

# `extra_partial` of the official code. There the pixels stay floats that may leave 0..255 until they are
# normalised; here they are rounded and clipped to uint8 at the end, a quarter of the bytes to the device.
clip_pipeline = [
    dict(type='mmgtrack.LoadFrame'),
    # the same steps and ranges as official (mmdet's defaults), except that mmdet clips the saturation at 1
    dict(type='mmdet.PhotoMetricDistortion', swap_channels=False),
    # drawn for the query and used for the search image too (official code)
    dict(type='mmgtrack.SharedDraw', transforms=[dict(type='mmgtrack.RandomChannelOrder', prob=0.5)]),
    # boxes are scaled by the exact ratio of the sizes, official ones by the factor before rounding them
    dict(
        type='RandomChoice',
        transforms=[
            [dict(type='mmdet.Resize', scale=(1333, 800), keep_ratio=True, interpolation=interpolation)]
            for interpolation in ('bilinear', 'bicubic', 'area', 'nearest', 'lanczos')]),
    dict(type='mmdet.RandomFlip', prob=0.5),  # query and search apart from each other (official code)
]

clip_dataloader = dict(
    batch_size=1,  # 1 pair a GPU (official code)
    num_workers=4,  # ours: about what keeps one GPU busy
    persistent_workers=True,
    # Official loaders first fix whether the pair is landscape or portrait, then draw until one is, so that
    # the images of a batch are alike. With one pair a GPU that only shifts the share of portraits a little,
    # hence it is left out.
    sampler=dict(type='mmgtrack.EpochSampler'),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='mmgtrack.ClipDataset',
        sources=[clip_coco],
        num_samples=30000,  # pairs an epoch (official code)
        roles=('query', 'search'),
        sampler=dict(
            type='mmgtrack.UniformClipSampler',
            max_gap=300,  # official code
            max_instances=8,  # official code
            other_clips=False),
        pipelines=dict(query=clip_pipeline, search=clip_pipeline),
        min_box_side=1,  # ours: boxes that the border or the resize leaves nothing of
        seed=0))

# LaSOT's test set: 280 videos, 685,360 frames
sequence_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmgtrack.LaSOT', root=clip_root + '/lasot', list_file='testing_set.txt'))
del os, clip_pipeline
