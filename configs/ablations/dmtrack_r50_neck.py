# Another place: one generated convolution a level behind the pyramid, before an ordinary head.
_base_ = '../dmtrack_r50.py'

model = dict(
    neck=dict(
        _delete_=True,
        type='mmgtrack.CorrelationNeck',
        neck=dict(type='FPN', in_channels=_base_.backbone_channels, out_channels=256, num_outs=3),
        num_levels=3,
        correlation=dict(
            groups=1, pooled=True, project_out=False, act_cfg=dict(type='ReLU', inplace=True))),
    bbox_head=dict(correlations=None))
