# Sizes as often as the pictures have them (the note, 3.1.1); places, margins and all else stay.
_base_ = './point_track_study.py'
# 0.5 %, 10.4 %, 20.3 %, ..., 99.5 % of 981 targets: the first 800 samples, pictures resized to 256x192
change = dict(quantiles=[6.1, 16.0, 24.2, 34.9, 45.7, 61.2, 74.0, 86.7, 103.1, 133.7, 186.8])
query_pipeline = [dict(step, **change) if 'min_size' in step else step for step in _base_.query_pipeline]
search_pipeline = [dict(step, **change) if 'min_size' in step else step for step in _base_.search_pipeline]
train_dataloader = dict(dataset=dict(pipelines=dict(query=query_pipeline, search=search_pipeline)))
