"""What is particular to a family of detection heads: inputs of the final layers, boxes, mined rows."""

from mmgtrack.models.guided_detector.heads.adapter import HeadAdapter
from mmgtrack.models.guided_detector.heads.families import adapter_of

__all__ = ['HeadAdapter', 'adapter_of']
