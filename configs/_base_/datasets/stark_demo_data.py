"""Two templates and one search region of the small demo data, for the light STARK.

Sources and validation are those of demo_data.py.
"""

_base_ = './demo_data.py'
for __name in ('long_side', 'short_side', 'scale', 'query_pipeline', 'still_images'):
    _base_.pop(__name)  # nothing here reads them

template_size, template_factor = 112, 2  # ours: 7x7 cells of 16 pixels; the factor is STARK's
search_size, search_factor = 224, 5  # ours: 14x14 cells, half the work of 320; the factor is STARK's

samples_per_epoch = 3200  # ours: 100 steps

joint = dict(
    type='mmgtrack.SharedDraw',
    transforms=[
        dict(type='mmgtrack.RandomGrey', prob=0.1),  # ours: more than STARK's 0.05, there is less data
        dict(type='mmgtrack.RandomMirror', prob=0.5),
    ])
mirror = [
    dict(type='mmgtrack.RandomMirror', prob=0.5),  # STARK: template and search may face each other
    dict(type='mmgtrack.RejectPadded', stride=16),
]
# ours: STARK changes brightness alone, but has a thousand times the pictures; half of mmdet's hue, because
# look-alikes are told apart by their colour
photometric = dict(_base_.photometric, hue_delta=9)
template_pipeline = [
    dict(type='mmgtrack.LoadFrame'),
    joint,
    # ours: a box that a user draws is never exact, one that an update takes even less
    dict(
        type='mmgtrack.CropTarget', factor=template_factor, size=template_size,
        scale_jitter=0.05, centre_jitter=0.1),
    dict(
        type='mmgtrack.KeepPadding',
        transforms=[
            photometric,
            dict(type='mmgtrack.RandomBlur', prob=0.1, max_length=4),
        ]),
    *mirror,
]
search_pipeline = [
    dict(type='mmgtrack.LoadFrame'),
    joint,
    dict(
        type='mmgtrack.CropTarget', factor=search_factor, size=search_size,
        scale_jitter=0.5, centre_jitter=4.5),  # STARK's
    dict(
        type='mmgtrack.KeepPadding',
        transforms=[
            dict(type='mmgtrack.RandomErase', prob=0.15),
            photometric,
            dict(type='mmgtrack.RandomBlur', prob=0.2, max_length=6),
            dict(type='mmgtrack.RandomJPEG', prob=0.2),
        ]),
    *mirror,
]

train_dataloader = dict(
    _delete_=True,
    batch_size=32,  # ours: twice STARK's on a GPU, there is one process only
    num_workers=2,  # ours: two cores
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='mmgtrack.EpochSampler'),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='mmgtrack.ClipDataset',
        sources=_base_.sources,
        num_samples=samples_per_epoch,
        roles=('template', 'dynamic_template', 'search'),
        # ours: the shortest clips of the demo data have 11 pictures, some of them without a label
        sampler=dict(type='mmgtrack.TridentSampler', max_gap=200, min_length=8),
        pipelines=dict(
            template=template_pipeline, dynamic_template=template_pipeline, search=search_pipeline),
        min_box_side=2,  # ours: smaller ones show nothing to learn from
        seed=0))
