"""GuidedDetector (Huang et al., ICCV 2019): any detector, guided to a target, with a head that learns."""
