# 12 epochs of SGD (GlobalTrack, AAAI 2020, Optimization; warm-up and clipping of the official code).
max_epochs = 12
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=max_epochs)
val_cfg = dict(type='mmgtrack.SequenceValLoop')
test_cfg = dict(type='mmgtrack.SequenceTestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    # 0.01 in the paper for 8 GPUs of one pair, scaled by gpus / 8 in the official code: 0.005 for four
    optimizer=dict(type='SGD', lr=0.005, momentum=0.9, weight_decay=1e-4),
    clip_grad=dict(max_norm=35, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 3, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', by_epoch=True, begin=0, end=max_epochs, milestones=[8, 11], gamma=0.1),
]
auto_scale_lr = dict(enable=False, base_batch_size=4)
custom_hooks = [dict(type='mmgtrack.SeedHook', seed=0)]
