# A plain RPN before the guided R-CNN: its proposals are the same for every query (RPN of Table 1).
# Ours: trained on the same pairs with the same loss; the paper does not say how its RPN was.
_base_ = '../globaltrack_r50.py'

model = dict(rpn_head=dict(correlation=dict(type='mmgtrack.NoCorrelation')))
load_from = 'work_dirs/globaltrack_r50_plain_rpn_stage1/epoch_12.pth'
