"""STARK-ST50: a dynamic template and a score head (section 3.2; official stark_st1 and stark_st2)."""

_base_ = './stark_s50.py'

model = dict(
    score_head=dict(type='mmgtrack.ScoreHead', embed_dims=256, num_layers=3),
    num_templates=2,
    test_cfg=dict(update_intervals=[200], update_score=0.5))  # section 4.1
