"""GlobalTrack's 12 epochs of SGD (Huang et al., AAAI 2020, Optimization; official code), run once a stage.

Every name starts with globaltrack_, so that the file stands beside a config of mmdet's zoo:
optim_wrapper = dict(_delete_=True, **_base_.globaltrack_optim_wrapper)
"""

globaltrack_max_epochs = 12
globaltrack_train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=globaltrack_max_epochs)
# no validation between epochs (official code): set val_dataloader, val_cfg and val_evaluator to None
globaltrack_test_cfg = dict(type='mmgtrack.SequenceTestLoop')
globaltrack_optim_wrapper = dict(
    type='OptimWrapper',
    # 0.01 in the paper, times GPUs / 8 in the official code: 0.005 for its 4 GPUs with one pair each
    optimizer=dict(type='SGD', lr=0.005, momentum=0.9, weight_decay=1e-4),
    clip_grad=dict(max_norm=35, norm_type=2))
# other numbers of GPUs: tools/train.py --auto-scale-lr, which is the official rule
globaltrack_auto_scale_lr = dict(enable=False, base_batch_size=4)
globaltrack_param_scheduler = [
    # reaches the full rate at iteration 500, the 501st (official code)
    dict(type='LinearLR', start_factor=1 / 3, by_epoch=False, begin=0, end=501),
    dict(
        type='MultiStepLR', by_epoch=True, begin=0, end=globaltrack_max_epochs, milestones=[8, 11],
        gamma=0.1),
]
globaltrack_custom_hooks = [dict(type='mmgtrack.SeedHook', seed=0)]
