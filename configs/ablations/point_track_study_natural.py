# Targets as large as they are in the pictures, which are resized to the canvas (the note, 3.1.1).
_base_ = './point_track_study.py'
change = dict(prob=0.0)
query_pipeline = [dict(step, **change) if 'min_size' in step else step for step in _base_.query_pipeline]
search_pipeline = [dict(step, **change) if 'min_size' in step else step for step in _base_.search_pipeline]
train_dataloader = dict(dataset=dict(pipelines=dict(query=query_pipeline, search=search_pipeline)))
