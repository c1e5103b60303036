# Large targets only: from 48 px to half the frame (the note, 3.1.1).
_base_ = './point_track_study.py'
change = dict(quantiles=[48, 156.8])
query_pipeline = [dict(step, **change) if 'min_size' in step else step for step in _base_.query_pipeline]
search_pipeline = [dict(step, **change) if 'min_size' in step else step for step in _base_.search_pipeline]
train_dataloader = dict(dataset=dict(pipelines=dict(query=query_pipeline, search=search_pipeline)))
