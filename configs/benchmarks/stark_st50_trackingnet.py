# STARK-ST50 on TrackingNet: the dynamic template is updated every 25 frames (official yaml) instead of every
# 200.
_base_ = '../stark_st50_stage2.py'

model = dict(test_cfg=dict(update_intervals=[25]))
