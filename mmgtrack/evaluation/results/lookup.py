"""Which file holds the result of a sequence, where a format has one file each."""

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles


def file_of(results: ResultFiles, name: str, ending: str) -> str:
    """Path of the only file called ``<name><ending>``, in whatever folder it is.

    Raises MissingResultError where there is none, DataError where there are several.
    """
    filename = f'{name}{ending}'
    found = [path for path in results.paths if path.rsplit('/', 1)[-1] == filename]
    if not found:
        raise MissingResultError(f'{results.source} has no result of {name}: expected a file {filename}')
    if len(found) > 1:
        raise DataError(
            f'{results.source} has {len(found)} files {filename}, expected one: {", ".join(found)}'
        )
    return found[0]
