# Table 7 #5: no score head. The dynamic template is updated at every interval without asking; one stage of
# training. The score that tracks come with is mmgtrack's own, the sharpness of the corner maps (ours).
_base_ = '../stark_st50_stage1.py'

model = dict(score_head=None)

find_unused_parameters = False  # all of them learn
