# The paper's depth-wise form: the target gives a factor a channel, where the published detector has a matrix.
_base_ = '../dmtrack_r50.py'

factor = dict(pooled=True, project_out=False, act_cfg=dict(type='ReLU', inplace=True))

model = dict(
    bbox_head=dict(
        correlations=[
            dict(**factor, place=0),
            dict(**factor, place=4, project_search=True, search_size=1, search_channels=32)]))
