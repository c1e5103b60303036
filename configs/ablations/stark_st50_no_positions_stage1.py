# Table 7 #3: no position embeddings, neither in the encoder nor among the decoder's keys. The learned query
# stays (ours): it is the decoder's only input.
_base_ = '../stark_st50_stage1.py'

model = dict(template_positions=None, search_positions=None)
