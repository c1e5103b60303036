"""Exemplar, support and query image of GOT-10k (Huang et al., ICCV 2019, sections 3.1 and 4.1), for SSD300.

Below the folder named by the environment variable MMGTRACK_DATA (default: data/) lie

    got10k/train/list.txt, got10k/train/GOT-10k_Train_000001/, ...
    got10k/val/list.txt, got10k/val/GOT-10k_Val_000001/, ...

"paper" stands for section 4.1, "ours" for what it leaves open.
"""

import os

data_root = os.environ.get('MMGTRACK_DATA', 'data/')

# The exemplar of the coarsest level, twice its base size; the others are 120 and 60, made from it (paper)
exemplar_size, exemplar_factor = 222, 2
search_size, search_factor = 300, 5  # paper

load = dict(type='mmgtrack.LoadFrame')
# ours: as detectors are trained; the paper names no augmentation
joint = dict(type='mmgtrack.SharedDraw', transforms=[dict(type='mmgtrack.RandomMirror', prob=0.5)])
exemplar_crop = dict(
    type='mmgtrack.CropTarget', factor=exemplar_factor, size=exemplar_size, exact=True)
# ours: a target always in the middle would teach the head to look there. Its centre moves by up to half a
# target; the window's side changes by exp of a normal number of deviation 0.15 / sqrt(2), which is as wide as
# U(-0.18, 0.18)
search_crop = dict(
    type='mmgtrack.CropTarget', factor=search_factor, size=search_size, scale_jitter=0.15,
    centre_jitter=1.0, exact=True)
exemplar_pipeline = [load, joint, exemplar_crop]
search_pipeline = [load, joint, search_crop]

train_dataloader = dict(
    batch_size=8,  # a GPU, of 4: 32 triplets (paper)
    num_workers=4,  # ours: three frames have to be read for every sample
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='mmgtrack.EpochSampler'),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='mmgtrack.ClipDataset',
        sources=[dict(type='mmgtrack.GOT10k', root=data_root + '/got10k', split='train')],  # paper
        num_samples=32000,  # ours: 1000 iterations an epoch
        roles=('exemplar', 'support', 'query'),  # in the order of time (section 3.1)
        sampler=dict(type='mmgtrack.ChronologicalSampler', max_gap=100, min_length=20),  # ours
        pipelines=dict(exemplar=exemplar_pipeline, support=search_pipeline, query=search_pipeline),
        min_box_side=2,  # ours: smaller ones show nothing to learn from
        seed=0))

# nothing is chosen by validation (paper: 50,000 iterations)
val_dataloader = None
val_evaluator = None

# 180 videos whose boxes are published
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='mmgtrack.GOT10k', root=data_root + '/got10k', split='val'))
test_evaluator = dict(type='mmgtrack.SuccessMetric')
del os
