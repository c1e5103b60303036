# Table 8, updated query: STARK-S50 whose decoded query is that of the next frame, as in TrackFormer; one
# stage of training. Ours, because the paper says no more: a sample has an earlier search region besides,
# which is searched with the learned query; both count alike in the losses, and gradients go through both. It
# is cropped, jittered and flipped like the other. Its frame lies up to 200 after the template's, as the
# search frame does after it: the role that the causal sampler draws first is the middle one, further roles
# lie before it.
_base_ = '../stark_s50.py'

model = dict(type='mmgtrack.UpdatedQueryStark')

train_dataloader = dict(
    dataset=dict(
        roles=('previous_search', 'template', 'search'),
        pipelines=dict(previous_search=_base_.search_pipeline)))
