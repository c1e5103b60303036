"""mmdet's MobileNetV2 without the layers behind the last output."""

from typing import Any

from mmdet.models.backbones import MobileNetV2


from mmgtrack.registry import MODELS


@MODELS.register_module()
class TruncatedMobileNetV2(MobileNetV2):
    """MobileNetV2 that keeps only what its ``out_indices`` need.

    mmdet always builds the 320- and 1280-channel ends (0.9 M of 2.2 M parameters), which a detector
    that reads stages up to 160 channels never uses but would store and run. Arguments as in mmdet.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.layers[max(self.out_indices) + 1 :]:
            delattr(self, name)
        self.layers = self.layers[: max(self.out_indices) + 1]

    def _freeze_stages(self) -> None:
        super()._freeze_stages()
        if self.frozen_stages >= 0:
            self.conv1.eval()  # mmdet leaves the stem's running statistics moving
