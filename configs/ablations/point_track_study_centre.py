# The control on the same pyramid: a heat map of the centre with focal loss, by mmdet's CenterNet head.
_base_ = './point_track_study.py'
model = dict(
    bbox_head=dict(
        _delete_=True,
        type='mmgtrack.CentreHead',
        in_channels=_base_.channels,
        feat_channels=_base_.channels,
        stride=4))
