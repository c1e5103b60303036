"""Why a data set gives no sample, in one line with numbers."""

from collections import Counter
from collections.abc import Sequence as Items

from mmgtrack.datasets.clip_sampler import Refusal


def no_sample(index: int, source: str, refusals: Items[Refusal]) -> str:
    """Message for sample ``index`` of a source, none of whose draws served."""
    counts = Counter(refusal.reason for refusal in refusals)
    reasons = '; '.join(f'{number}x {reason}' for reason, number in counts.most_common())
    return (
        f'no usable sample {index} in {len(refusals)} draws from {source}: {reasons}'
        f'{_filtered(refusals)}{_unread(refusals)}'
    )


def _filtered(refusals: Items[Refusal]) -> str:
    """What frame filters took out of the clips that were refused."""
    clips = {refusal.clip.name: refusal.clip for refusal in refusals if refusal.clip is not None}
    rules = sum((Counter(clip.filtered) for clip in clips.values()), Counter[str]())
    if not rules:
        return ''
    left = sum(int(clip.present.sum()) for clip in clips.values())
    by_rule = ', '.join(f'{number} by {rule}' for rule, number in rules.most_common())
    return f'; of {left + rules.total()} boxes in these clips the frame filter removed {by_rule}'


def _unread(refusals: Items[Refusal]) -> str:
    """The first image that could not be read."""
    errors = [refusal.error for refusal in refusals if refusal.error is not None]
    return f'; {errors[0]}' if errors else ''
