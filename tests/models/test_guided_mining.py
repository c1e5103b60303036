"""Hard negative mining on numbers: what is chosen, and always the same number of rows."""

import pytest
import torch

from mmgtrack.errors import InputError
from mmgtrack.models.guided_detector.heads.mining import Match, Miner


def match(positive: list[int], count: int) -> Match:
    """One window with ``count`` priors: these are positives, the later the better; all others negatives."""
    is_positive = torch.zeros(1, count, dtype=torch.bool)
    is_positive[0, positive] = True
    return Match(torch.arange(count)[None] / 1000, is_positive, ~is_positive)


@pytest.mark.parametrize(
    ('positive', 'count', 'real'),
    [
        ([3, 5], 40, 8),  # three negatives for each
        ([], 40, 3),  # as many as for one positive
        ([0, 1, 2, 3, 4, 5], 40, 16),  # not more than four positives
        ([1], 3, 3),  # what there is
        ([0], 1, 1),
    ],
)
def test_rows_of_a_window(positive: list[int], count: int, real: int) -> None:
    losses = torch.rand(1, count, generator=torch.Generator().manual_seed(0))
    mined = Miner(num_positives=4, num_negatives=12)(match(positive, count), losses)
    assert mined.priors.shape == mined.positive.shape == mined.valid.shape == (1, 16)
    assert mined.valid.sum() == real and mined.positive.sum() == min(len(positive), 4)
    chosen = mined.priors[mined.valid].tolist()
    assert len(set(chosen)) == real and max(chosen) < count
    best = sorted(positive, reverse=True)[:4]
    assert mined.priors[mined.positive].tolist() == best
    negatives = mined.priors[mined.valid & ~mined.positive].tolist()
    others = sorted(set(range(count)) - set(positive), key=lambda prior: -losses[0, prior].item())
    assert negatives == others[: len(negatives)]


def test_windows_are_mined_each_for_itself() -> None:
    generator = torch.Generator().manual_seed(1)
    losses = torch.rand(3, 20, generator=generator)
    matches = [match(positive, 20) for positive in ([2, 9], [], [7])]
    miner = Miner(num_positives=2, num_negatives=6)
    together = miner(Match(*map(torch.cat, zip(*matches, strict=True))), losses)
    for window, own in enumerate(matches):
        alone = miner(own, losses[window : window + 1])
        for one, two in zip(together, alone, strict=True):
            assert torch.equal(one[window : window + 1], two)


@pytest.mark.parametrize('positives, negatives', [(0, 4), (4, 2)])
def test_refuses_numbers_that_give_no_ratio(positives: int, negatives: int) -> None:
    with pytest.raises(InputError, match='num_positives'):
        Miner(positives, negatives)
