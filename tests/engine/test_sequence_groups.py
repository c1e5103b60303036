from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.engine.sequence_groups import deal_out, group_sequences

LENGTHS = st.lists(st.integers(0, 5000), min_size=1, max_size=60)


def test_groups_are_of_similar_length_the_longest_first() -> None:
    assert group_sequences([5, 9, 9, 1, 7], 2) == [(1, 2), (4, 0), (3,)]


def test_the_longest_group_goes_to_whoever_has_least() -> None:
    lengths = [50, 40, 30, 30, 10]
    assert deal_out([(0,), (1,), (2,), (3,), (4,)], lengths, 2) == [[(0,), (3,)], [(1,), (2,), (4,)]]
    assert deal_out([(4,), (1,), (0,)], lengths, 2) == [[(0,)], [(1,), (4,)]]


@given(LENGTHS, st.integers(1, 5), st.integers(1, 6))
def test_every_sequence_is_tracked_once_and_no_share_is_longer_by_more_than_a_group(
    lengths: list[int], size: int, processes: int
) -> None:
    groups = group_sequences(lengths, size)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    assert all(len(group) == size for group in groups[:-1])
    shares = deal_out(groups, lengths, processes)
    assert sorted(group for share in shares for group in share) == sorted(groups)
    frames = [sum(lengths[index] for group in share for index in group) for share in shares]
    longest = max(sum(lengths[index] for index in group) for group in groups)
    assert max(frames) - min(frames) <= longest
