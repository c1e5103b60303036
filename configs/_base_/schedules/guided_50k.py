"""GuidedDetector's 50,000 iterations of SGD (Huang et al., ICCV 2019, section 4.1), as epochs of 1000."""

max_epochs = 50
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs)
val_cfg = None  # the data configs say that nothing is tracked between epochs
test_cfg = dict(type='mmgtrack.SequenceTestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    # for 32 triplets (section 4.1); on one GPU the same by accumulative_counts=4
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4),
    # ours: five inner steps of 0.05 overshoot at first, and gradients of 10,000 end the run at once
    clip_grad=dict(max_norm=10, norm_type=2))
# other numbers of GPUs: tools/train.py --auto-scale-lr
auto_scale_lr = dict(enable=False, base_batch_size=32)
# from 0.01 to 0.0005 (section 4.1); ours: a step an epoch, so that it is the same for any batch
param_scheduler = [
    dict(type='ExponentialLR', by_epoch=True, begin=0, end=max_epochs, gamma=0.05 ** (1 / 49)),
]
custom_hooks = [
    dict(type='mmgtrack.SeedHook', seed=0),
    dict(type='CheckInvalidLossHook', interval=50),
]
