"""STARK-Lightning: a thin trunk, one encoder layer, no decoder (official stark_lightning_X_trt)."""

dims = 128  # width of the transformer (official code)

model = dict(
    type='mmgtrack.Stark',
    # no resize: windows are cut out of frames as they come; mean and std are ImageNet's
    data_preprocessor=dict(type='mmgtrack.ClipDataPreprocessor', pad_size_divisor=1),
    backbone=dict(
        type='mmgtrack.RepVGG',
        # RepVGG-A0 to stride 16, with 4 instead of 14 blocks in the last stage (official code)
        stem_channels=48,
        stage_blocks=(2, 4, 4),
        stage_channels=(48, 96, 192),
        out_indices=(2,),
        frozen_stages=0,  # the stem (official code)
        # statistics and affine values never change (official code)
        norm_cfg=dict(type='FrozenBN'),
        # ImageNet weights of RepVGG's authors (official code), as OpenMMLab has renamed them
        init_cfg=dict(
            type='Pretrained',
            prefix='backbone.',
            checkpoint='https://download.openmmlab.com/mmclassification/v0/repvgg/'
            'repvggA0_3rdparty_4xb64-coslr-120e_in-1k_20210909-883ab98c.pth')),
    # one 1x1 convolution for templates and search region (official code)
    neck=dict(type='ChannelMapper', in_channels=[192], kernel_size=1, out_channels=dims, act_cfg=None),
    # learned, one table for each side of the maps: 128 / 16 and 320 / 16 cells (official code)
    template_positions=dict(
        type='LearnedPositionalEncoding', num_feats=dims // 2, row_num_embed=8, col_num_embed=8),
    search_positions=dict(
        type='LearnedPositionalEncoding', num_feats=dims // 2, row_num_embed=20, col_num_embed=20),
    # all numbers: official code
    transformer=dict(
        type='mmgtrack.LiteTransformer', embed_dims=dims, num_heads=8, feedforward_channels=1024,
        dropout=0.1),
    box_head=dict(type='mmgtrack.LiteCornerHead', channels=dims),
    template=dict(factor=2, size=128),  # section 4.1
    search=dict(factor=5, size=320),  # section 4.1
    num_templates=1,
    train_cfg=dict(stage='localisation'),
    test_cfg=dict(update_intervals=[], clip_margin=10))  # official code
del dims
