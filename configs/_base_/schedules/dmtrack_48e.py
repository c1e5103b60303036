"""DMTrack's 48 epochs of SGD (official code)."""

max_epochs = 48
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs)
val_cfg = None  # the data configs say that nothing is tracked between epochs
test_cfg = dict(type='mmgtrack.SequenceTestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    # 0.001 times GPUs / 8, for 2 GPUs with one pair each (official code)
    optimizer=dict(type='SGD', lr=0.00025, momentum=0.9, weight_decay=1e-4),
    # not for norms (official code), nor for deformable convolutions (mmengine's rule)
    paramwise_cfg=dict(bias_lr_mult=2, bias_decay_mult=0),
    clip_grad=dict(max_norm=35, norm_type=2))
# other numbers of GPUs: tools/train.py --auto-scale-lr, which is the official rule
auto_scale_lr = dict(enable=False, base_batch_size=2)
param_scheduler = [
    # constant for 500 iterations, then at once the full rate (official code)
    dict(type='ConstantLR', factor=0.001 / 3, by_epoch=False, begin=0, end=501),
    dict(type='MultiStepLR', by_epoch=True, begin=0, end=max_epochs, milestones=[44, 46], gamma=0.1),
]
custom_hooks = [dict(type='mmgtrack.SeedHook', seed=0)]
