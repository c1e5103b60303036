# DMTrack's published detector as its authors' code does, for their weights (`mmgtrack convert dmtrack`).
# No re-id head, no association. Boxes end at their last pixel; the first of two classes is never the target.
_base_ = './dmtrack_dla34.py'

model = dict(
    inclusive_pixels=True,
    data_preprocessor=dict(single_scale=True),  # boxes times one factor, whatever rounding did to the image
    bbox_head=dict(num_classes=2, target_class=1),
    re_id_head=None,
    task_weights=None,
    association=None,
    test_cfg=dict(max_per_img=100))  # of both classes together
