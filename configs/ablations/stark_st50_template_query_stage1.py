# Table 8, template query: the templates' cells are the decoder's queries; templates and search region pass
# one encoder apart from each other. Ours, where the paper refers to its supplement: their positions are added
# to them, the decoder starts from zeros as before, and both heads read the mean of the decoded cells.
_base_ = '../stark_st50_stage1.py'

model = dict(transformer=dict(type='mmgtrack.TemplateQueryTransformer'))
