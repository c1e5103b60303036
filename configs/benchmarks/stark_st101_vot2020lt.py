# STARK-ST101 on VOT2020-LT: the dynamic template is updated every 100 frames (official yaml) instead of every
# 200.
_base_ = '../stark_st101_stage2.py'

model = dict(test_cfg=dict(update_intervals=[100]))
