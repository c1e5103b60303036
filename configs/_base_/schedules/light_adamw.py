# AdamW with cosine decay for small data sets on a processor; bfloat16 where the processor has it.
max_epochs = 10
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1000)
val_cfg = dict(type='mmgtrack.SequenceValLoop')
test_cfg = dict(type='mmgtrack.SequenceTestLoop')
optim_wrapper = dict(
    type='mmgtrack.CPUAmpOptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-3),
    clip_grad=dict(max_norm=10, norm_type=2),
    paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.2)}))
# ours: the batch that the rate was chosen with; tools/train.py --auto-scale-lr fits it to another
auto_scale_lr = dict(enable=False, base_batch_size=8)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(
        type='CosineAnnealingLR', by_epoch=True, begin=0, T_max=max_epochs, eta_min_ratio=0.02,
        convert_to_iter_based=True),
]
custom_hooks = [
    dict(type='mmgtrack.SeedHook', seed=0),
    dict(type='EMAHook', ema_type='mmdet.ExpMomentumEMA', momentum=0.002, gamma=200, priority='ABOVE_NORMAL'),
]
