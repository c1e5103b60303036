"""Which candidate is the target: arrays in, arrays out, every look-alike on a tracklet of its own."""

from mmgtrack.association.associate import Assignment, associate
from mmgtrack.association.exclusion import associate_together
from mmgtrack.association.rules import AssociationRules
from mmgtrack.association.tracklets import Tracklets, begin

__all__ = ['Assignment', 'AssociationRules', 'Tracklets', 'associate', 'associate_together', 'begin']
