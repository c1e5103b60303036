# The paper's "multiple kernel designs and integration layers": in front of the branches the target gives a
# full 1x1, a depth-wise 1x1 and a depth-wise 3x3 kernel, joined by a 1x1 convolution. Which ones is ours.
_base_ = '../dmtrack_r50.py'

relu = dict(type='ReLU', inplace=True)

model = dict(
    bbox_head=dict(
        correlations=[
            dict(
                type='mmgtrack.MultiKernelCorrelation', place=0, pooled=True, act_cfg=relu,
                branches=[dict(groups=1), dict(kernel_size=1), dict(kernel_size=3)]),
            dict(
                groups=1, pooled=True, project_out=False, act_cfg=relu, place=4,
                project_search=True, search_size=1, search_channels=32)]))
