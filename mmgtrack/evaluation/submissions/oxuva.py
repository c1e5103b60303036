"""OxUvA's submission: a file of predictions for every track."""

from collections.abc import Iterator

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles
from mmgtrack.evaluation.results.lookup import file_of
from mmgtrack.evaluation.results.oxuva import OxuvaPredictions, read_predictions
from mmgtrack.evaluation.submissions.collected import Collected
from mmgtrack.evaluation.submissions.expected import Expected

# frames from one label to the next
_LABEL_STEP = 30


def collect_oxuva(results: ResultFiles, expected: Expected) -> Collected:
    """``<video>_<object>.csv`` without folders, as they are but for Windows' line ends."""
    known = {f'{name}.csv' for name in expected.names}
    filenames = (path.rsplit('/', 1)[-1] for path in results.paths if path.endswith('.csv'))
    found = Collected([f'{name}: not a track of this set' for name in filenames if name not in known])
    for name in expected.names:
        try:
            predictions = read_predictions(results, *name.rsplit('_', 1))
            text = results.read_text(file_of(results, name, '.csv'))
        except MissingResultError:
            found.problems.append(f'{name}: no result')
            continue
        except DataError as error:
            found.problems.append(str(error))
            continue
        problems = list(_problems(name, predictions, expected.spans.get(name)))
        found.problems += problems
        if not problems:
            found.files[f'{name}.csv'] = ''.join(f'{line}\n' for line in text.splitlines()).encode()
    return found


def _problems(name: str, predictions: OxuvaPredictions, span: tuple[int, int] | None) -> Iterator[str]:
    frames = predictions.frames
    if not len(frames):
        yield f'{name}: no predictions'
        return
    if span is not None:
        first, last = span
        # a label is compared with the prediction of its frame, or the last one before
        label = (first // _LABEL_STEP + 1) * _LABEL_STEP
        if frames[0] > label:
            yield f'{name}: no prediction for the label in frame {label}, the first is of frame {frames[0]}'
        if frames[0] < first or frames[-1] > last:
            yield f'{name}: frames {frames[0]} to {frames[-1]}, the track is from {first} to {last}'
        if frames[-1] <= last - _LABEL_STEP:
            yield f'{name}: ends with frame {frames[-1]}, the track with {last}'
    if not np.isfinite(predictions.scores).all():
        frame = frames[np.argmin(np.isfinite(predictions.scores))]
        yield f'{name}: the score of frame {frame} is not finite'
    # the official program divides by the area of box and label; outside of the image boxes are misses to it
    sizes = predictions.boxes[:, 2:] - predictions.boxes[:, :2]
    without_size = predictions.present & (sizes <= 0).any(axis=1)
    if without_size.any():
        yield f'{name}: the box of frame {frames[np.argmax(without_size)]} has no size; say absent there'
