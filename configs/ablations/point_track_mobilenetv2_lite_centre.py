# The control: a heat map of the centre with focal loss, by mmdet's CenterNet head, everything else as it is.
_base_ = '../point_track_mobilenetv2_lite.py'
model = dict(
    bbox_head=dict(
        _delete_=True,
        type='mmgtrack.CentreHead',
        in_channels=_base_.channels,
        feat_channels=_base_.channels,
        stride=4))
