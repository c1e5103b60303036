# Table 7 #4: the box from the decoded query, by a three-layer perceptron as in DETR, instead of corners.
# Width of the layers, and a sigmoid for centre and size: DETR, and an unused option of the official code.
_base_ = '../stark_st50_stage1.py'

model = dict(
    box_head=dict(_delete_=True, type='mmgtrack.MLPBoxHead', embed_dims=256, num_layers=3))
