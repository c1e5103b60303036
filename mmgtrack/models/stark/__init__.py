"""STARK and STARK-Lightning."""

from mmgtrack.models.stark.corner_head import CornerHead, Corners, peak_score, soft_argmax
from mmgtrack.models.stark.hungarian import HungarianStark
from mmgtrack.models.stark.lite_corner_head import LiteCornerHead
from mmgtrack.models.stark.lite_transformer import LiteTransformer
from mmgtrack.models.stark.mlp_heads import MLPBoxHead, ScoreHead
from mmgtrack.models.stark.stark import Stark, StarkState
from mmgtrack.models.stark.transformer import StarkTransformer, TemplateQueryTransformer
from mmgtrack.models.stark.updated_query import UpdatedQueryStark, UpdatedQueryState

__all__ = [
    'CornerHead',
    'Corners',
    'HungarianStark',
    'LiteCornerHead',
    'LiteTransformer',
    'MLPBoxHead',
    'ScoreHead',
    'Stark',
    'StarkState',
    'StarkTransformer',
    'TemplateQueryTransformer',
    'UpdatedQueryStark',
    'UpdatedQueryState',
    'peak_score',
    'soft_argmax',
]
