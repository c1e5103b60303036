"""Query/search pairs of COCO, GOT-10k and LaSOT in which targets have every size, for PointTrack.

Folders and how to use this file: see coco_got10k_lasot.py, whose sources and shares these are. What is drawn
of them is ours, as in point_demo_data.py: the note has no data of its own.
"""

_base_ = './coco_got10k_lasot.py'

clip_scale = (1333, 800)  # long and short side, as in globaltrack_r50.py
clip_photometric = dict(
    type='mmdet.PhotoMetricDistortion', contrast_range=(0.6, 1.4), swap_channels=False)
# the search image has every size; a query is as large within a factor of 2, as in a video
clip_size = dict(type='mmgtrack.RandomTargetSize', scale=clip_scale, min_size=4, max_share=0.5)
clip_query = [
    dict(type='mmgtrack.LoadFrame'),
    dict(clip_size, change=2.0),
    dict(type='mmdet.RandomFlip', prob=0.5),
    clip_photometric,
    dict(type='mmgtrack.RandomGrey', prob=0.1),
]
clip_search = [
    dict(type='mmgtrack.LoadFrame'),
    clip_size,
    dict(type='mmdet.RandomFlip', prob=0.5),
    clip_photometric,
    dict(type='mmgtrack.RandomGrey', prob=0.1),
    dict(type='mmgtrack.RandomBlur', prob=0.1, max_length=4),
    dict(type='mmgtrack.RandomJPEG', prob=0.2),
]
clip_images, *clip_videos = _base_.clip_dataloader['dataset']['sources']
clip_dataloader = dict(
    dataset=dict(
        # smaller objects show nothing to learn from, larger ones leave nothing to search
        sources=[dict(clip_images, min_side=6, max_share=0.8), *clip_videos],
        sampler=dict(
            # targets that are away teach presence; a frame of another clip fills the margins
            _delete_=True, type='mmgtrack.ClipSampler', max_gap=300, negative_prob=0.1, max_instances=4),
        pipelines=dict(query=clip_query, search=clip_search),
        min_box_side=1.5))  # 4x4 pixels up to 7 times as long as wide; narrower ones are drawn anew
del clip_scale, clip_photometric, clip_size, clip_query, clip_search, clip_images, clip_videos
