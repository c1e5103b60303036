"""Recorded cases: where they lie, how they are found, how a test claims them.

A *kind* is a sub-folder of the oracle folder. Its cases are the entries of its index.json, named
`<op>-<case>`, or else its sub-folders that hold a case.json or an expected.json.

A kind joins by one module `tests/oracles/test_<kind>.py` whose tests take an argument `case` and
say with `@claims(...)` which cases they are for; its line in open_kinds.txt goes.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
VARIABLE = 'MMGTRACK_ORACLES'
_SPECS = ('case.json', 'expected.json')


@dataclass(frozen=True, slots=True)
class OracleCase:
    """One recorded case.

    kind, name: as in the test id `<kind>/<name>`.
    folder: where its files lie (the kind's folder if the kind has an index.json).
    spec: its entry in index.json, or the content of its case.json or expected.json.
    """

    kind: str
    name: str
    folder: Path
    spec: dict[str, Any]


def oracle_folder() -> Path:
    """The folder named by MMGTRACK_ORACLES, by default ../shared/oracles beside the repository."""
    default = HERE.parents[1].parent / 'shared' / 'oracles'
    return Path(os.environ.get(VARIABLE) or default)


def recorded_kinds() -> list[str]:
    """Kinds in the oracle folder, sorted; none if there is no such folder."""
    folder = oracle_folder()
    if not folder.is_dir():
        return []
    return sorted(
        path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(('.', '_'))
    )


def recorded_cases(kind: str) -> list[OracleCase]:
    """All cases of a kind; none if the kind is not in the oracle folder."""
    folder = oracle_folder() / kind
    index = folder / 'index.json'
    if index.is_file():
        return [
            OracleCase(kind, f'{entry["op"]}-{entry["case"]}', folder, entry)
            for entry in json.loads(index.read_text())
        ]
    specs = (path for name in _SPECS for path in folder.glob(f'*/{name}'))
    return [
        OracleCase(kind, path.parent.name, path.parent, json.loads(path.read_text()))
        for path in sorted(specs)
    ]


def open_kinds() -> list[str]:
    """Kinds whose system is not built yet."""
    lines = (HERE / 'open_kinds.txt').read_text().splitlines()
    return [line.strip() for line in lines if line.strip()]


def claims(*patterns: str) -> pytest.MarkDecorator:
    """Run the decorated test once for each case of the module's kind whose name fits a pattern.

    Patterns are shell patterns ('nms-*'). The test receives the case as its argument `case`.
    """
    return pytest.mark.oracle(*patterns)


def claimed(case: OracleCase, patterns: tuple[str, ...]) -> bool:
    """Whether one of the patterns of `claims` fits the case."""
    return any(fnmatchcase(case.name, pattern) for pattern in patterns)
