# Table 7 #1: no encoder. The decoder looks at the cells as the backbone and the 1x1 convolution made them,
# and so does the corner head. The paper says no more; positions stay with the decoder's keys (ours).
_base_ = '../stark_st50_stage1.py'

model = dict(transformer=dict(encoder=None))
