"""Query/search pairs of COCO and LaSOT: DMTrack's training (official code).

Folders of COCO and LaSOT and how to use this file: see coco.py. Beside that there is

    lasot/training_set.txt, the list of LaSOT's 1120 training videos
"""

_base_ = './coco.py'

clip_identities = 1120  # LaSOT's training videos

# which frames of a video are trained on (official code)
clip_frames = dict(
    min_area=20, sides=(10, 960), shares=(0.01, 0.75), aspect=(0.2, 5), min_cover=(1, 0.3))

# `extra_full` of the official code. It takes neither the scale that the official config names nor its list of
# scales: training ran at its own default.
clip_pipeline = [
    dict(type='mmgtrack.LoadFrame'),
    dict(type='mmdet.PhotoMetricDistortion'),  # with an order of the channels for each image
    # and one for both
    dict(type='mmgtrack.SharedDraw', transforms=[dict(type='mmgtrack.RandomChannelOrder', prob=0.5)]),
    dict(type='mmdet.Expand', mean=(123.675, 116.28, 103.53), to_rgb=True, ratio_range=(1, 4), prob=0.5),
    # min_ious are those between 0 and 1, which mmdet adds; the same targets survive in both images
    dict(
        type='mmgtrack.FlagLost',
        transforms=[
            dict(
                type='mmdet.MinIoURandomCrop', min_ious=(0.1, 0.3, 0.5, 0.7, 0.9), min_crop_size=0.3)
        ]),
    dict(
        type='RandomChoice',
        transforms=[
            [dict(type='mmdet.Resize', scale=(1333, 800), keep_ratio=True, interpolation=interpolation)]
            for interpolation in ('bilinear', 'bicubic', 'area', 'nearest', 'lanczos')]),
    dict(type='mmdet.RandomFlip', prob=0.5),  # query and search apart from each other (official code)
]

clip_dataloader = dict(
    dataset=dict(
        # a source is drawn by its weight (official code), then a video or image of it, each as likely
        sources=[
            dict(**_base_.clip_coco, weight=0.5),
            dict(
                type='mmgtrack.LaSOT', root=_base_.clip_root + '/lasot', list_file='training_set.txt',
                use_absence=False,  # official code
                frame_filter=clip_frames,
                identities=1,  # ours: a video's target is one identity; COCO's objects have none
                weight=0.5),
        ],
        pipelines=dict(query=clip_pipeline, search=clip_pipeline)))
del clip_pipeline
