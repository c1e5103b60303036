"""What documentation pages tell people to write and to type, so that tests do just that."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / 'docs'


def blocks_of(page: Path, language: str) -> list[str]:
    """Code blocks of a language, in the order of the page."""
    return re.findall(rf'```{language}\n(.*?)```', page.read_text(encoding='utf-8'), re.DOTALL)


def commands_of(page: Path) -> list[str]:
    """Command lines in code blocks, without comments."""
    lines = '\n'.join(blocks_of(page, 'sh')).replace('\\\n', ' ').splitlines()
    return [re.split(r'\s#', line)[0].strip() for line in lines if line.strip()]


def files_of(page: Path) -> dict[str, str]:
    """Python blocks that begin with a comment that is a file name, by that name."""
    blocks = blocks_of(page, 'python')
    return {name[1]: block for block in blocks if (name := re.match(r'# ([\w/]+\.py)\n', block))}


def write_files(page: Path, folder: Path) -> None:
    """The files of a page, in a folder."""
    for name, text in files_of(page).items():
        (folder / name).write_text(text, encoding='utf-8')


def run(command: str, folder: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of a page in a folder, with further words; it must end well."""
    program, *words = shlex.split(command)
    interpreter = {'mmgtrack': [sys.executable, '-m', 'mmgtrack'], 'python': [sys.executable]}
    done = subprocess.run(
        [*interpreter.get(program, [program]), *words, *more],
        cwd=folder,
        env={**os.environ, 'OMP_NUM_THREADS': '1', **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f'{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}'
    return done
