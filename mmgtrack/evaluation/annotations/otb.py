"""Annotations of OTB-2013, TB-50 and OTB-2015."""

from typing import ClassVar

from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.annotations.boxes import BoxAnnotations


class OTB(BoxAnnotations):
    """OTB: ``<Sequence>/groundtruth_rect.txt``; commas, tabs and blanks between the numbers.

    A folder with ``groundtruth_rect.1.txt`` and ``.2.txt`` has two targets, sequences ``Jogging-1`` and
    ``Jogging-2``; an empty one of them is none (Human4, of which only ``Human4-2`` is left). Lists differ in
    upper and lower case, so that names are found in any.
    """

    benchmark: ClassVar[str] = 'OTB'
    patterns: ClassVar[tuple[str, ...]] = ('{name}/groundtruth_rect.txt', '{name}/groundtruth_rect.1.txt')

    def read(self, name: str) -> BoxTruth:
        written = {known.casefold(): known for known in self.paths}
        return super().read(written.get(name.casefold(), name))

    def _find(self) -> dict[str, str]:
        found = self.files.find('{name}/groundtruth_rect.txt')
        for target in ('1', '2'):
            for folder, path in self.files.find(f'{{name}}/groundtruth_rect.{target}.txt').items():
                found.pop(folder, None)
                if self.files.read_text(path).strip():
                    found[f'{folder}-{target}'] = path
        return dict(sorted(found.items()))
