"""Which sequences are tracked together, and by which process."""

from collections.abc import Sequence

Group = tuple[int, ...]
"""Indices of the sequences that go through the network as one batch."""


def group_sequences(lengths: Sequence[int], size: int) -> list[Group]:
    """Groups of at most ``size`` sequences of similar length, the longest first.

    They depend on the lengths alone, in frames: so a sequence's companions are the same for any number of
    processes and wherever a run was cut off.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    return [tuple(order[start : start + size]) for start in range(0, len(order), size)]


def deal_out(groups: Sequence[Group], lengths: Sequence[int], num_shares: int) -> list[list[Group]]:
    """Shares of about the same number of frames: the longest group first, to whoever has least."""
    shares: list[list[Group]] = [[] for _ in range(num_shares)]
    frames = [0] * num_shares
    for group in sorted(groups, key=lambda group: (-_frames_of(group, lengths), group)):
        least = frames.index(min(frames))
        shares[least].append(group)
        frames[least] += _frames_of(group, lengths)
    return shares


def _frames_of(group: Group, lengths: Sequence[int]) -> int:
    return sum(lengths[index] for index in group)
