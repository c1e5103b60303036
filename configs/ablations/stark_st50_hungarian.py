# Table 8, Hungarian: ten queries with a box and a score each, one of which is matched with the target; at
# inference the one with the highest score answers. Boxes and scores train together.
# Ours, because the paper says no more: half of the search regions are without the target, as in
# stark_st50_joint.py, because the score decides about updates too; the costs and weights of DETR, with its
# distance taken between corners, as STARK's loss does.
_base_ = './stark_st50_joint.py'

model = dict(
    type='mmgtrack.HungarianStark',
    transformer=dict(num_queries=10),  # section 4.5
    train_cfg=dict(
        assigner=dict(
            type='mmdet.HungarianAssigner',
            match_costs=[
                dict(type='mmdet.ClassificationCost', weight=1),  # DETR
                dict(type='mmdet.BBoxL1Cost', box_format='xyxy', weight=5),  # DETR, and STARK's loss
                dict(type='mmdet.IoUCost', iou_mode='giou', weight=2),  # DETR, and STARK's loss
            ]),
        background_weight=0.1))  # DETR
