"""Exemplar, support and query image of the small demo data, for the light GuidedDetector.

Sources and validation are those of demo_data.py.
"""

_base_ = './demo_data.py'
for __name in ('long_side', 'short_side', 'scale', 'query_pipeline', 'search_pipeline', 'still_images'):
    _base_.pop(__name)  # nothing here reads them

exemplar_size, exemplar_factor = 160, 2  # ours: 10x10 cells of 16 pixels; the factor is the paper's
search_size, search_factor = 224, 5  # ours: 14x14 cells; the factor is the paper's

samples_per_epoch = 3200  # ours: 200 steps

joint = dict(
    type='mmgtrack.SharedDraw',
    transforms=[
        dict(type='mmgtrack.RandomGrey', prob=0.1),
        dict(type='mmgtrack.RandomMirror', prob=0.5),
    ])
# ours: half of mmdet's hue, because look-alikes are told apart by their colour
photometric = dict(_base_.photometric, hue_delta=9)
exemplar_pipeline = [
    dict(type='mmgtrack.LoadFrame'),
    joint,
    # ours: a box that a user draws is never exact
    dict(
        type='mmgtrack.CropTarget', factor=exemplar_factor, size=exemplar_size,
        scale_jitter=0.05, centre_jitter=0.1, exact=True),
    dict(
        type='mmgtrack.KeepPadding',
        transforms=[
            photometric,
            dict(type='mmgtrack.RandomBlur', prob=0.1, max_length=4),
        ]),
]
search_pipeline = [
    dict(type='mmgtrack.LoadFrame'),
    joint,
    # ours: up to one target beside the centre, so that a target is found again that was nearly lost
    dict(
        type='mmgtrack.CropTarget', factor=search_factor, size=search_size,
        scale_jitter=0.25, centre_jitter=2.0, exact=True),
    dict(
        type='mmgtrack.KeepPadding',
        transforms=[
            dict(type='mmgtrack.RandomErase', prob=0.15),
            photometric,
            dict(type='mmgtrack.RandomBlur', prob=0.2, max_length=6),
            dict(type='mmgtrack.RandomJPEG', prob=0.2),
        ]),
]

train_dataloader = dict(
    _delete_=True,
    batch_size=16,  # ours: half the paper's, there are two cores
    num_workers=2,  # ours: two cores
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='mmgtrack.EpochSampler'),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='mmgtrack.ClipDataset',
        sources=_base_.sources,
        num_samples=samples_per_epoch,
        roles=('exemplar', 'support', 'query'),
        # ours: the shortest clips of the demo data have 11 pictures, some of them without a label
        sampler=dict(type='mmgtrack.ChronologicalSampler', max_gap=100, min_length=8),
        pipelines=dict(exemplar=exemplar_pipeline, support=search_pipeline, query=search_pipeline),
        min_box_side=2,  # ours: smaller ones show nothing to learn from
        seed=0))
