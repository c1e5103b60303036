# The light PointTrack at 256 pixels for 400 steps: what the arms of the size study have in common.
# docs/size_study.md; the queue is tools/analysis/size_arms.py.
_base_ = '../point_track_mobilenetv2_lite.py'

long_side = 256
short_side = 192
scale = (long_side, short_side)
# the images of images/ are held back to measure with
sources = [source for source in _base_.sources if not source['root'].endswith('/images')]
query_pipeline = [dict(step, scale=scale) if 'scale' in step else step for step in _base_.query_pipeline]
search_pipeline = [dict(step, scale=scale) if 'scale' in step else step for step in _base_.search_pipeline]

samples_per_epoch = 3200  # 400 steps of 8
train_dataloader = dict(
    dataset=dict(
        sources=sources, num_samples=samples_per_epoch,
        pipelines=dict(query=query_pipeline, search=search_pipeline)))
model = dict(data_preprocessor=dict(resize=(256, 192)))

max_epochs = 1
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(
        type='CosineAnnealingLR', by_epoch=True, begin=0, T_max=max_epochs, eta_min_ratio=0.02,
        convert_to_iter_based=True),
]
