"""STARK-S50: one template, no score head (Yan et al., ICCV 2021, section 3.1; official stark_s/baseline)."""

dims = 256  # width of the transformer (section 4.1)
# 8 heads, dropout 0.1 (section 4.1), also on the attention maps (official code)
attention = dict(
    embed_dims=dims, num_heads=8, attn_drop=0.1, dropout_layer=dict(type='Dropout', drop_prob=0.1))
# 2048 hidden units (section 4.1)
feedforward = dict(embed_dims=dims, feedforward_channels=2048, num_fcs=2, ffn_drop=0.1)
# of sizes and angles of the picture alone, nothing learned (section 3.1; official code)
positions = dict(type='SinePositionalEncoding', num_feats=dims // 2, normalize=True)

model = dict(
    type='mmgtrack.Stark',
    # no resize: windows are cut out of frames as they come; mean and std are ImageNet's
    data_preprocessor=dict(type='mmgtrack.ClipDataPreprocessor', pad_size_divisor=1),
    backbone=dict(
        type='ResNet',
        depth=50,
        # stride 16, without the last stage (section 4.1)
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
        frozen_stages=1,  # stem and first stage (official code)
        # statistics and affine values never change (section 4.1; official code)
        norm_cfg=dict(type='FrozenBN'),
        # ImageNet weights of 2017, as the official code starts from
        init_cfg=dict(
            type='Pretrained', checkpoint='https://download.pytorch.org/models/resnet50-19c8e357.pth')),
    # one 1x1 convolution for templates and search region (section 3.1)
    neck=dict(type='ChannelMapper', in_channels=[1024], kernel_size=1, out_channels=dims, act_cfg=None),
    template_positions=positions,
    search_positions=positions,
    transformer=dict(
        type='mmgtrack.StarkTransformer',
        embed_dims=dims,
        # 6 layers each (section 4.1), norms last, one query
        encoder=dict(num_layers=6, layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=feedforward)),
        decoder=dict(
            num_layers=6,
            layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=feedforward))),
    box_head=dict(type='mmgtrack.CornerHead', in_channels=dims, channels=256),
    template=dict(factor=2, size=128),  # section 4.1
    search=dict(factor=5, size=320),  # section 4.1
    num_templates=1,
    train_cfg=dict(stage='localisation'),
    test_cfg=dict(update_intervals=[], clip_margin=10))  # official code
del attention, feedforward, positions, dims
