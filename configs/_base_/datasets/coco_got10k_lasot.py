"""Query/search pairs of COCO, GOT-10k and LaSOT: stage 2 of GlobalTrack's training (official code).

Pipelines, folders of COCO and how to use this file: see coco.py. Beside that there are

    got10k/train/list.txt, got10k/train/GOT-10k_Train_000001/, ...
    lasot/training_set.txt, lasot/testing_set.txt, lasot/airplane/airplane-1/, ...
"""

_base_ = './coco.py'

# which frames of a video are trained on (official code)
clip_frames = dict(
    min_area=20, sides=(10, 960), shares=(0.01, 0.75), aspect=(0.2, 5), min_cover=(1, 0.3))

clip_dataloader = dict(
    dataset=dict(
        # A source is drawn by its weight (official code), then a video or image of it, each with the same
        # probability: the official list of 10 pairs a video amounts to the same.
        sources=[
            dict(**_base_.clip_coco, weight=0.4),
            dict(
                type='mmgtrack.GOT10k', root=_base_.clip_root + '/got10k', split='train',
                frame_filter=clip_frames, weight=0.4),
            dict(
                type='mmgtrack.LaSOT', root=_base_.clip_root + '/lasot', list_file='training_set.txt',
                use_absence=False,  # official code
                frame_filter=clip_frames, weight=0.2),
        ]))
