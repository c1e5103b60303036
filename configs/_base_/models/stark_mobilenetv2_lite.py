"""STARK-ST on MobileNetV2 with a thin transformer, for processors. All numbers but STARK's are ours."""

dims = 128  # half of STARK's
attention = dict(
    embed_dims=dims, num_heads=4, attn_drop=0.0, dropout_layer=dict(type='Dropout', drop_prob=0.0))
feedforward = dict(embed_dims=dims, feedforward_channels=512, num_fcs=2, ffn_drop=0.0)
positions = dict(type='SinePositionalEncoding', num_feats=dims // 2, normalize=True)

model = dict(
    type='mmgtrack.Stark',
    data_preprocessor=dict(type='mmgtrack.ClipDataPreprocessor', pad_size_divisor=1),
    backbone=dict(
        type='mmgtrack.TruncatedMobileNetV2',
        out_indices=(4,),  # 96 channels at stride 16
        frozen_stages=4,  # the larger part of a step's cost; little data would only spoil these layers
        norm_cfg=dict(type='FrozenBN')),  # STARK's
    neck=dict(type='ChannelMapper', in_channels=[96], kernel_size=1, out_channels=dims, act_cfg=None),
    template_positions=positions,
    search_positions=positions,
    transformer=dict(
        type='mmgtrack.StarkTransformer',
        embed_dims=dims,
        # a third of STARK's layers, without dropout: there is no time to overfit
        encoder=dict(num_layers=2, layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=feedforward)),
        decoder=dict(
            num_layers=2,
            layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=feedforward))),
    box_head=dict(type='mmgtrack.CornerHead', in_channels=dims, channels=96, cell_offset=0.5),
    score_head=dict(type='mmgtrack.ScoreHead', embed_dims=dims),
    template=dict(factor=2, size=112),
    search=dict(factor=5, size=224),
    num_templates=2,
    train_cfg=dict(stage='localisation'),
    # frames of a short clip; the other numbers are STARK's
    test_cfg=dict(update_intervals=[25], update_score=0.5, clip_margin=10))
del attention, feedforward, positions, dims
