"""Query/search pairs of the small demo data in which targets have every size, for PointTrack.

Sources and validation are those of demo_data.py.
"""

_base_ = './demo_data.py'

# the search image has every size; a query is as large within a factor of 2, as in a video
every_size = dict(type='mmgtrack.RandomTargetSize', scale=_base_.scale, min_size=4, max_share=0.5)
query_pipeline = [
    dict(type='mmgtrack.LoadFrame'),
    dict(every_size, change=2.0),
    dict(type='mmdet.RandomFlip', prob=0.5),
    _base_.photometric,
    dict(type='mmgtrack.RandomGrey', prob=0.1),
]
search_pipeline = [
    dict(type='mmgtrack.LoadFrame'),
    every_size,
    dict(type='mmdet.RandomFlip', prob=0.5),
    _base_.photometric,
    dict(type='mmgtrack.RandomGrey', prob=0.1),
    dict(type='mmgtrack.RandomBlur', prob=0.1, max_length=4),
    dict(type='mmgtrack.RandomJPEG', prob=0.2),
]
train_dataloader = dict(
    dataset=dict(
        sampler=dict(max_instances=4),
        pipelines=dict(query=query_pipeline, search=search_pipeline),
        min_box_side=1.5))  # 4x4 pixels up to 7 times as long as wide; narrower ones are drawn anew
