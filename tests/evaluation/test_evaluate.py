"""From folders to numbers: which sequences count, what is missing, several trackers."""

import shutil
from pathlib import Path

import pytest

from mmgtrack.errors import DataError, InputError
from mmgtrack.evaluation.evaluate import evaluate
from mmgtrack.evaluation.selection import ALL
from tests.evaluation.small_lasot import BOX, SEQUENCES, write_annotations, write_results, write_rows

HITS = {'cat-1': 2, 'cat-2': 10, 'dog-1': 5}
# a perfect frame is above 20 of the 21 thresholds
EXPECTED = 20 / 21 * (2 / 4 + 1 + 1) / 3


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_annotations(tmp_path / 'lasot')


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return write_results(tmp_path / 'results' / 'ours', HITS)


def test_known_numbers(root: Path, results: Path) -> None:
    (found,) = evaluate('lasot', [results], root, sequences=ALL)
    assert found.tracker == 'ours'
    assert [part.name for part in found.parts] == list(SEQUENCES)
    assert found.scores.values['success'] == pytest.approx(EXPECTED, rel=1e-12)
    assert found.parts[0].scores.values['precision'] == pytest.approx(0.5, rel=1e-12)


def test_a_zip_archive_is_a_folder(root: Path, results: Path) -> None:
    archive = shutil.make_archive(str(results), 'zip', results)
    folder, packed = evaluate('lasot', [results, archive], root, sequences=ALL)
    assert folder.scores.values == packed.scores.values


def test_trackers_of_one_name_go_by_their_path(root: Path, results: Path, tmp_path: Path) -> None:
    other = write_results(tmp_path / 'others' / 'ours', {**HITS, 'cat-1': 4})
    found = evaluate('lasot', [results, other], root, sequences=ALL)
    assert [each.tracker for each in found] == ['results/ours', 'others/ours']
    assert found[1].scores.values['success'] > found[0].scores.values['success']


def test_chosen_sequences_keep_their_order(root: Path, results: Path) -> None:
    (found,) = evaluate('lasot', [results], root, sequences=['dog-1', 'cat-1'])
    assert [part.name for part in found.parts] == ['dog-1', 'cat-1']


def test_the_published_list_has_to_be_there(root: Path, results: Path) -> None:
    with pytest.raises(DataError, match=r'2 of the 280 sequences of LaSOT.*airplane-1,.*--sequences all'):
        evaluate('lasot', [results], root)


@pytest.mark.parametrize(
    ('sequences', 'message'),
    [
        (['cat-1', 'cat-1'], "holds 'cat-1' more than once"),
        (['cat-1', 'cow-1'], 'no annotations of cow-1'),
        ([], 'list of sequences is empty'),
    ],
)
def test_broken_lists(root: Path, results: Path, sequences: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        evaluate('lasot', [results], root, sequences=sequences)


def test_sequences_are_no_word_but_all(root: Path, results: Path) -> None:
    with pytest.raises(InputError, match="'all' or a list of names, got 'every'"):
        evaluate('lasot', [results], root, sequences='every')


def test_a_missing_result_is_an_error_unless_it_is_left_out_for_all(
    root: Path, results: Path, tmp_path: Path
) -> None:
    other = write_results(tmp_path / 'other', {'cat-1': 4, 'dog-1': 5})
    with pytest.raises(
        DataError,
        match=r'no result of 1 of 3 sequences \(cat-2; expected a file cat-2\.txt\).*--skip-missing',
    ):
        evaluate('lasot', [results, other], root, sequences=ALL)
    found = evaluate('lasot', [results, other], root, sequences=ALL, skip_missing=True)
    assert [[part.name for part in each.parts] for each in found] == [['cat-1', 'dog-1']] * 2
    assert found[0].notes[0] == '1 of 3 sequences left out, because a tracker lacks them: cat-2'


def test_nothing_in_common(root: Path, tmp_path: Path) -> None:
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DataError, match=r'no sequence of .* has a result of every tracker'):
        evaluate('lasot', [tmp_path / 'empty'], root, sequences=ALL, skip_missing=True)


def test_whole_numbers_are_noted(root: Path, results: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / 'fine' / 'cat-1.txt', [BOX] * 3 + [(10.25, 20, 30, 40)])
    whole, fine = (
        evaluate('lasot', [each], root, sequences=['cat-1'])[0] for each in (results, tmp_path / 'fine')
    )
    assert any('whole numbers' in note for note in whole.notes)
    assert not any('whole numbers' in note for note in fine.notes)


@pytest.mark.parametrize('box_format', ['xyxy', 'xyxy_inclusive'])
def test_corners_are_noted_and_read_when_asked(root: Path, tmp_path: Path, box_format: str) -> None:
    last = 1 if box_format == 'xyxy_inclusive' else 0
    x, y, w, h = BOX
    write_rows(tmp_path / 'corners' / 'cat-1.txt', [(x, y, x + w - last, y + h - last)] * 4)
    (wrong,) = evaluate('lasot', [tmp_path / 'corners'], root, sequences=['cat-1'])
    assert any(f'read as {box_format}' in note for note in wrong.notes)
    (right,) = evaluate('lasot', [tmp_path / 'corners'], root, sequences=['cat-1'], box_format=box_format)
    assert right.scores.values['success'] == pytest.approx(20 / 21, rel=1e-12)


def test_other_numbers_of_rows_are_noted(root: Path, results: Path, tmp_path: Path) -> None:
    for name, rows in (('long', 6), ('short', 3)):
        shutil.copytree(results, tmp_path / name)
        write_rows(tmp_path / name / 'cat-1.txt', [BOX] * rows)
    (found,) = evaluate('lasot', [tmp_path / 'long'], root, sequences=ALL)
    assert '1 of 3 results have another number of rows' in found.notes[0]
    assert found.notes[0].endswith('cat-1 has 6 for 4 frames')
    (found,) = evaluate('lasot@got10k', [tmp_path / 'short'], root, sequences=ALL)
    assert found.notes[0].endswith('cat-1 has 3 for 4 frames')
    with pytest.raises(DataError, match=r'short/cat-1\.txt: cat-1: expected 4 rows'):
        evaluate('lasot', [tmp_path / 'short'], root, sequences=ALL)


def test_names_in_another_case_or_of_another_program(tmp_path: Path) -> None:
    for folder, file in (('Basketball', 'groundtruth_rect'), ('Jogging', 'groundtruth_rect.1')):
        write_rows(tmp_path / 'otb' / folder / f'{file}.txt', [BOX] * 3)
    for name in ('Basketball', 'Jogging_1'):
        write_rows(tmp_path / 'ours' / f'{name}.txt', [BOX] * 3)
    wanted = ['basketball', 'Jogging.1']
    (found,) = evaluate('otb2015', [tmp_path / 'ours'], tmp_path / 'otb', sequences=wanted)
    assert [part.name for part in found.parts] == ['Basketball', 'Jogging-1']
    with pytest.raises(DataError, match='no annotations of Basketbal: did you mean Basketball'):
        evaluate('otb2015', [tmp_path / 'ours'], tmp_path / 'otb', sequences=['Basketbal'])


def test_results_given_twice(root: Path, results: Path) -> None:
    with pytest.raises(InputError, match='ours are given more than once'):
        evaluate('lasot', [results, results.parent / '.' / 'ours'], root, sequences=ALL)


def test_the_message_names_what_is_there_instead(root: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / 'other' / 'horse-1.txt', [BOX] * 3)
    with pytest.raises(DataError, match=r'no result of 3 of 3 sequences .*; its files are those of horse-1'):
        evaluate('lasot', [tmp_path / 'other'], root, sequences=ALL)


def test_tracks_that_begin_later_are_noted(root: Path, tmp_path: Path) -> None:
    lines = ['frame,x,y,w,h,score,present', *(f'{k},10,20,30,40,1,1' for k in range(5, 9))]
    (tmp_path / 'late').mkdir()
    (tmp_path / 'late' / 'cat-1.csv').write_text('\n'.join(lines))
    (found,) = evaluate('lasot', [tmp_path / 'late'], root, sequences=['cat-1'])
    note = 'cat-1.csv begins with frame 5, which is taken for the first of the annotations'
    assert note in found.notes


def test_progress_counts_to_the_end(root: Path, results: Path) -> None:
    steps: list[tuple[int, int]] = []
    evaluate('lasot', [results], root, sequences=ALL, report_progress=lambda *step: steps.append(step))
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_a_tracker_is_needed(root: Path) -> None:
    with pytest.raises(InputError, match='at least one tracker'):
        evaluate('lasot', [], root)
