"""24 epochs of SGD for the large PointTrack. Ours: as many pairs as GlobalTrack's two stages together.

Rate, batch and warm-up are those of globaltrack_12e.py.
"""

max_epochs = 24
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs)
val_cfg = None  # the data configs say that nothing is tracked between epochs
test_cfg = dict(type='mmgtrack.SequenceTestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.005, momentum=0.9, weight_decay=1e-4),
    clip_grad=dict(max_norm=35, norm_type=2))
# of 4 GPUs with one pair each; other numbers: tools/train.py --auto-scale-lr
auto_scale_lr = dict(enable=False, base_batch_size=4)
param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 3, by_epoch=False, begin=0, end=501),
    dict(type='MultiStepLR', by_epoch=True, begin=0, end=max_epochs, milestones=[16, 22], gamma=0.1),
]
custom_hooks = [dict(type='mmgtrack.SeedHook', seed=0)]
