"""guided_got10k.py with the larger images of Faster R-CNN (section 4.1). Folders: there."""

_base_ = './guided_got10k.py'

exemplar_size, search_size = 192, 480  # section 4.1
exemplar_pipeline = [_base_.load, _base_.joint, dict(_base_.exemplar_crop, size=exemplar_size)]
search_pipeline = [_base_.load, _base_.joint, dict(_base_.search_crop, size=search_size)]

train_dataloader = dict(
    dataset=dict(
        pipelines=dict(exemplar=exemplar_pipeline, support=search_pipeline, query=search_pipeline)))
