"""STARK's 500 epochs of AdamW, for S50, Lightning and the first stage of the others (section 4.1)."""

max_epochs = 500  # section 4.1; the authors say that 250 with the drop at 200 lose little
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs)
# the data configs say that nothing is tracked between epochs
val_cfg = None
test_cfg = dict(type='mmgtrack.SequenceTestLoop')

optim_wrapper = dict(
    type='OptimWrapper',  # AmpOptimWrapper for mixed precision on GPUs; it clips unscaled gradients
    # for 8 GPUs with 16 samples each (section 4.1); decay on everything (official code)
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4),
    clip_grad=dict(max_norm=0.1, norm_type=2),  # official code
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))  # 1e-5 (section 4.1)
auto_scale_lr = dict(enable=False, base_batch_size=128)
# x 0.1 after 400 epochs (section 4.1)
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[400], gamma=0.1)]
custom_hooks = [
    dict(type='mmgtrack.SeedHook', seed=0),
    dict(type='CheckInvalidLossHook', interval=1),  # boxes that are no numbers end the run (official code)
]
