"""STARK with K queries, one of which is matched with the target (section 4.5, Table 8)."""

from typing import Any

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmgtrack.errors import InputError
from mmgtrack.models.stark.corner_head import Corners
from mmgtrack.models.stark.stark import Prediction, Stark
from mmgtrack.models.stark.tokens import TransformerOutput
from mmgtrack.registry import MODELS, TASK_UTILS
from mmgtrack.structures import ClipSample


@MODELS.register_module()
class HungarianStark(Stark):
    """Each of K queries gives a box and a score; in training the cheapest one is matched, as in DETR.

    The box with the highest score is the answer. The matched query learns the box and that the target is
    there, all others that it is not; without a target in the search region so do all.

    Args: those of ``Stark``; the transformer has ``num_queries`` K, and ``train_cfg`` has ``stage='joint'``,
        ``assigner``: config of an assigner of mmdet; its costs see boxes in parts of the search region
        (``img_shape`` is (1, 1)) and, for the softmax of a classifier, logits of the target and of none;
        ``background_weight``: of queries that are not matched, in the loss of scores (DETR: 0.1).
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.assigner = TASK_UTILS.build(self.train_cfg['assigner'])
        self.background_weight: float = self.train_cfg.get('background_weight', 0.1)

    def loss(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> dict[str, Tensor]:
        output = self.transformer(*self._encode_roles(inputs, data_samples))
        logits = self._all_logits(output)
        boxes = self._all_corners(output, inputs['search']).boxes.unflatten(0, logits.shape)
        truth = self._truths(data_samples)
        present = torch.tensor([len(s.instances['search']) > 0 for s in data_samples], device=logits.device)
        matched = torch.zeros_like(logits, dtype=torch.bool)
        matched[present] = self._match(boxes[present], logits[present], truth)
        return {
            **self._score_losses(logits, matched),
            **self.losses.of_boxes(boxes[matched], truth, count=len(data_samples)),
        }

    def _heads(self, output: TransformerOutput, images: Tensor) -> Prediction:
        """Of the query with the highest score alone."""
        best = self._all_logits(output).argmax(1)
        targets = _decoded(output).take_along_dim(best[:, None, None], 1)
        return super()._heads(TransformerOutput(output.search, targets), images)

    def _all_logits(self, output: TransformerOutput) -> Tensor:
        """(B, K)."""
        assert self.score_head is not None
        return self.score_head(_decoded(output)).to(self.data_preprocessor.mean.dtype)

    def _all_corners(self, output: TransformerOutput, images: Tensor) -> Corners:
        """Of B * K boxes: every query sees the cells of its sample's search region."""
        targets = _decoded(output)
        cells = output.search.repeat_interleave(targets.shape[1], 0)
        return self._corners(TransformerOutput(cells, targets.flatten(0, 1)[:, None]), images)

    @torch.no_grad()
    def _match(self, boxes: Tensor, logits: Tensor, truth: Tensor) -> Tensor:
        """(n, K) bool with one query a sample, of boxes (n, K, 4), logits (n, K) and truth (n, 4)."""
        # an inverted box, which no cost is made for, counts as a line or point at its first corner
        upright = torch.cat([boxes[..., :2], boxes[..., 2:].maximum(boxes[..., :2])], dim=-1)
        classes = torch.stack([logits, torch.zeros_like(logits)], dim=-1)  # whose softmax is the sigmoid
        matched = torch.zeros_like(logits, dtype=torch.bool)
        for row, target, found, scores in zip(matched, truth.clamp(0, 1), upright, classes, strict=True):
            known = InstanceData(bboxes=target[None], labels=target.new_zeros(1, dtype=torch.long))
            result = self.assigner.assign(
                InstanceData(bboxes=found, scores=scores), known, img_meta=dict(img_shape=(1, 1))
            )
            row.copy_(result.gt_inds > 0)
        return matched

    def _score_losses(self, logits: Tensor, matched: Tensor) -> dict[str, Tensor]:
        """loss_score, the weighted mean over all queries, and the share of right answers for the log."""
        labels = matched.to(logits.dtype)
        weights = torch.where(matched, 1.0, self.background_weight).to(logits.dtype)
        said = logits.detach().amax(1) > 0
        return {
            'loss_score': self.losses.score(logits, labels, weights, avg_factor=weights.sum()),
            'score_accuracy': (said == matched.any(1)).to(logits.dtype).mean(),
        }

    def _check(self) -> None:
        super()._check()
        if self.stage != 'joint':
            raise InputError(
                f"HungarianStark trains boxes and scores: stage must be 'joint', got {self.stage!r}"
            )
        if 'assigner' not in self.train_cfg:
            raise InputError('train_cfg needs an assigner, such as mmdet.HungarianAssigner, got none')
        if getattr(self.transformer, 'decoder', None) is None:
            raise InputError('HungarianStark needs a transformer with a decoder, got one without')


def _decoded(output: TransformerOutput) -> Tensor:
    assert output.targets is not None
    return output.targets
