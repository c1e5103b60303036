"""How well embeddings tell objects apart: Rank-1 and mAP, each box searched among all others."""

from dataclasses import dataclass

import numpy as np

from mmgtrack.errors import DataError

_DIGITS = 12  # of cosines that count; what follows depends on the order of summation


@dataclass(frozen=True, eq=False)
class Retrieval:
    """What n boxes find, each being the query once.

    ranks: (n,) rank of the first box of the same object, the most similar having rank 1; precisions: (n,)
    average precision. nan where no other frame shows the object: such a query does not count.
    """

    ranks: np.ndarray
    precisions: np.ndarray

    @property
    def rank_1(self) -> float:
        """Share of queries whose most similar box shows the same object; nan without a query that counts."""
        counted = self.ranks[~np.isnan(self.ranks)]
        return float((counted == 1).mean()) if len(counted) else float('nan')

    @property
    def mean_ap(self) -> float:
        """Mean average precision; nan without a query that counts."""
        counted = self.precisions[~np.isnan(self.precisions)]
        return float(counted.mean()) if len(counted) else float('nan')

    def __getitem__(self, queries: np.ndarray) -> 'Retrieval':
        """Of some of the queries: (n,) bool or their indices. What they are searched among stays."""
        return Retrieval(self.ranks[queries], self.precisions[queries])


def retrieve(embeddings: np.ndarray, identities: np.ndarray, frames: np.ndarray) -> Retrieval:
    """Search each box among those of all other frames, by cosine.

    embeddings: (n, D), of any length; identities: (n,) integers, equal for the same object; frames: (n,)
    integers, equal for boxes of the same picture. Average precision is the mean of the precisions at each box
    of the object (Market-1501's protocol). Of boxes that are equally similar the wrong ones come first:
    embeddings that are all alike find nothing.

    Raises DataError where shapes do not fit, or a number is not finite.
    """
    count = len(embeddings)
    if embeddings.ndim != 2 or identities.shape != (count,) or frames.shape != (count,):
        raise DataError(
            'expected embeddings (n, D), identities (n,) and frames (n,), got '
            f'{embeddings.shape}, {identities.shape} and {frames.shape}'
        )
    if not np.isfinite(embeddings).all():
        broken = int((~np.isfinite(embeddings)).any(1).sum())
        raise DataError(f'expected embeddings of finite numbers, got others in {broken} of {count}')
    vectors = embeddings.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    elsewhere = frames[:, None] != frames
    cosines = (units @ units.T).round(_DIGITS)
    distances = np.where(elsewhere, -cosines, np.inf)
    right = elsewhere & (identities[:, None] == identities)
    found = np.take_along_axis(right, np.lexsort((right, distances), axis=1), axis=1)
    precisions = found.cumsum(1) / np.arange(1, count + 1)
    totals = found.sum(1)
    seen = totals > 0
    means = np.divide((precisions * found).sum(1), totals, out=np.full(count, np.nan), where=seen)
    first = found.argmax(1) + 1.0 if count else np.zeros(0)
    return Retrieval(np.where(seen, first, np.nan), means)
