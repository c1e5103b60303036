# Table 7 #2: no decoder, hence no query. The corner head reads the search region's cells without weighting
# them, and the score head their mean (ours: the paper does not say what takes the decoded query's place).
_base_ = '../stark_st50_stage1.py'

model = dict(transformer=dict(decoder=None))
