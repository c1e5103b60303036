# Small targets only: from 4 to 24 px of 256x192 (the note, 3.1.1).
_base_ = './point_track_study.py'
change = dict(quantiles=[4, 24])
query_pipeline = [dict(step, **change) if 'min_size' in step else step for step in _base_.query_pipeline]
search_pipeline = [dict(step, **change) if 'min_size' in step else step for step in _base_.search_pipeline]
train_dataloader = dict(dataset=dict(pipelines=dict(query=query_pipeline, search=search_pipeline)))
