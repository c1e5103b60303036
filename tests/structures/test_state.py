"""State: files, joins and splits; the trackers' own states are tested in test_contract.py."""

import pickle
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mmgtrack.errors import OutputError, StateError
from mmgtrack.structures import Candidates, State, Tracks


@dataclass(frozen=True)
class RaggedState(State):
    """A state with a tensor and a tuple of per-target values of different lengths."""

    tracklets: tuple[tuple[Tensor, ...], ...]


def make(count: int, start: int = 0, fingerprint: str = 'f') -> RaggedState:
    numbers = torch.arange(start, start + count)
    return RaggedState(
        'model',
        fingerprint,
        numbers.clone(),
        numbers[:, None].float().expand(-1, 4).clone(),
        tuple((torch.full((int(n) + 1, 2), float(n)), torch.zeros(0)) for n in numbers),
    )


def values(state: RaggedState) -> list:
    return [state.age.tolist(), state.boxes[:, 0].tolist(), [t[0].tolist() for t in state.tracklets]]


def test_add_and_keep_ragged() -> None:
    joined = make(2).add(make(2, start=2))
    assert values(joined) == values(make(4))
    kept = joined.keep([3, 1])
    assert kept.age.tolist() == [3, 1] and len(kept.tracklets[0][0]) == 4
    assert values(joined.keep([])) == [[], [], []]
    for bad in ([4], [-1], [True, False], torch.tensor([True, False, False, True]), ['1'], [1.0]):
        with pytest.raises(StateError, match=r'0\.\.3'):
            joined.keep(bad)
    assert joined.keep(t for t in (0, 2)).age.tolist() == [0, 2]
    assert joined.keep(torch.tensor([1, 2])).age.tolist() == [1, 2]


def test_split_undoes_cat() -> None:
    parts = RaggedState.cat([make(1), make(3), make(2)]).split([1, 3, 2])
    assert [values(p) for p in parts] == [values(make(1)), values(make(3)), values(make(2))]


def test_file_round_trip(tmp_path: Path) -> None:
    make(3).save(tmp_path / 's.pt')
    loaded = State.load(tmp_path / 's.pt')
    assert type(loaded) is RaggedState and values(loaded) == values(make(3))


def test_a_view_does_not_save_its_whole_storage(tmp_path: Path) -> None:
    big = torch.zeros(1_000_000, 4)
    RaggedState('m', 'f', torch.zeros(1, dtype=torch.long), big[:1], ((),)).save(tmp_path / 's.pt')
    assert (tmp_path / 's.pt').stat().st_size < 10_000


def test_moving_keeps_integers() -> None:
    moved = make(2).to(torch.float64)
    assert moved.boxes.dtype == torch.float64 and moved.age.dtype == torch.int64
    assert moved.tracklets[1][0].dtype == torch.float64


def test_states_of_two_models_do_not_join() -> None:
    with pytest.raises(StateError, match='encode the targets again'):
        make(1).add(make(1, fingerprint='g'))


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize(
    'content', ['bomb', 'bytes', 'number', 'format', 'kind', 'fields', 'missing', 'text', 'ragged']
)
def test_bad_files_are_refused(tmp_path: Path, content: str) -> None:
    path, mark = tmp_path / 's.pt', tmp_path / 'mark'
    make(1).save(path)
    good = torch.load(path, weights_only=True)
    if content == 'bomb':
        path.write_bytes(pickle.dumps(Bomb(mark)))
    elif content == 'bytes':
        path.write_bytes(path.read_bytes()[:200])
    elif content == 'missing':
        path.unlink()
    else:
        bad = {
            'number': 3,
            'format': {**good, 'format': 99},
            'kind': {**good, 'kind': 'NoSuchState'},
            'text': {**good, 'age': 'old'},
            'ragged': {**good, 'boxes': torch.zeros(3, 4)},
            'fields': {k: v for k, v in good.items() if k != 'boxes'},
        }[content]
        torch.save(bad, path)
    with pytest.raises(StateError, match=r's\.pt') as refused:
        State.load(path)
    # torch would have such a file executed
    assert 'weights_only' not in str(refused.value) and '\n' not in str(refused.value)
    assert not mark.exists()


def test_an_unwritable_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match='cannot write'):
        make(1).save(tmp_path / 'no such folder' / 's.pt')


def test_tracks_and_candidates_check_their_shapes() -> None:
    with pytest.raises(ValueError, match=r'boxes \(N, M, 4\)'):
        Tracks(torch.zeros(2, 3, 4), torch.zeros(2, 2), torch.zeros(2, 2).bool())
    with pytest.raises(ValueError, match=r'boxes \(N, M, K, 4\)'):
        Candidates(torch.zeros(2, 3, 4), torch.zeros(2, 3), torch.zeros(2, 3).bool())


def test_candidates_of_different_depth_join() -> None:
    def of(count: int) -> Candidates:
        return Candidates(torch.ones(1, 2, count, 4), torch.ones(1, 2, count), torch.ones(1, 2, count).bool())

    joined = Candidates.cat([of(3), of(1)])
    assert joined.scores.shape == (2, 2, 3) and joined.valid.sum().item() == 8
    assert not joined.valid[1, :, 1:].any()


def test_what_they_print_fits_a_line() -> None:
    state = "RaggedState('model', 2 targets: age (2,), boxes (2, 4), tracklets 2)"
    assert repr(make(2)) == str(make(2)) == state
    present = torch.tensor([[True, False], [True, True], [False, False]])
    tracks = Tracks(torch.zeros(3, 2, 4), torch.zeros(3, 2), present)
    assert repr(tracks) == 'Tracks(3 frames, 2 targets: 3 boxes present)'
    valid = torch.ones(3, 2, 5).bool()
    candidates = Candidates(torch.zeros(3, 2, 5, 4), torch.zeros(3, 2, 5), valid)
    assert repr(candidates) == 'Candidates(3 frames, 2 targets, up to 5 boxes)'
