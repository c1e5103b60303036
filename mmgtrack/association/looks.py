"""How objects look: unit embeddings, nan where unknown."""

import numpy as np


def unit(embeddings: np.ndarray) -> np.ndarray:
    """Embeddings (R, D) at length 1; nan for those that have no direction."""
    with np.errstate(invalid='ignore', divide='ignore', over='ignore'):
        length = np.linalg.norm(embeddings, axis=1, keepdims=True)
        known = np.isfinite(length) & (length > 0)
        return np.where(known, embeddings / length, np.nan)


def known(looks: np.ndarray) -> np.ndarray:
    """(R,) bool: which of looks (R, D) are known; none of a tracker without embeddings."""
    return np.isfinite(looks).all(1) & (looks.shape[1] > 0)


def blended(first: np.ndarray, recent: np.ndarray, first_weight: float) -> np.ndarray:
    """(R, D) whose product with an embedding is the weighted mean of both cosines.

    Where one of the two is unknown, it is the other.
    """
    both = first_weight * first + (1 - first_weight) * recent
    return np.where(known(first)[:, None], np.where(known(recent)[:, None], both, first), recent)


def distance(looks: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    """1 - cosine (R, K) of looks (R, D) and embeddings (K, D), in [0, 2]; nan where either is unknown."""
    if looks.shape[1] == 0:
        return np.full((len(looks), len(embeddings)), np.nan)
    return np.maximum(1 - looks @ embeddings.T, 0)


def paired_distance(looks: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    """1 - cosine (R,) of looks (R, D) and embeddings (R, D), row by row; nan where either is unknown."""
    if looks.shape[1] == 0:
        return np.full(len(looks), np.nan)
    return np.maximum(1 - (looks * embeddings).sum(1), 0)


def smoothed(recent: np.ndarray, embeddings: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Running mean (R, D) at length 1, of which the new is a share (R,); where one is unknown, the other."""
    mean = unit(recent + share[:, None] * (embeddings - recent))
    return np.where(known(recent)[:, None], np.where(known(embeddings)[:, None], mean, recent), embeddings)
