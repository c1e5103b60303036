"""The documentation names files, options and targets that exist."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmgtrack.cli.main import COMMANDS, build_parser
from mmgtrack.evaluation.benchmarks import BENCHMARKS, all_protocols

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / 'README.md', ROOT / 'CHANGELOG.md', *sorted((ROOT / 'docs').rglob('*.md'))]
TOOLS = (
    'tools/train.py',
    'tools/test.py',
    'tools/analysis/benchmark.py',
    'tools/analysis/evaluation_speed.py',
    'tools/analysis/fast_path.py',
    'tools/analysis/get_flops.py',
    'tools/analysis/loading_speed.py',
    'tools/analysis/recall.py',
)
FLAG = re.compile(r'(?<![\w-])--[a-z][a-z_-]*')

pages = pytest.mark.parametrize('page', PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def commands_of(page: Path) -> list[str]:
    """Command lines in code blocks, without comments."""
    blocks = re.findall(r'```sh\n(.*?)```', page.read_text(encoding='utf-8'), re.DOTALL)
    lines = '\n'.join(blocks).replace('\\\n', ' ').splitlines()
    return [re.split(r'\s#', line)[0].strip() for line in lines if line.strip()]


def options_of(command: str) -> set[str]:
    """Options of a command of ours."""
    (subparsers,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return {flag for action in subparsers.choices[command]._actions for flag in action.option_strings}


@pages
def test_relative_links_exist(page: Path) -> None:
    links = re.findall(r'\]\(([^)#\s]+)[^)]*\)', page.read_text(encoding='utf-8'))
    missing = [link for link in links if '://' not in link and not (page.parent / link).exists()]
    assert not missing


@pages
def test_named_files_exist(page: Path) -> None:
    text = re.sub(r'```.*?```', '', page.read_text(encoding='utf-8'), flags=re.DOTALL)
    named = re.findall(r'`((?:mmgtrack|configs|tools|tests|docs|requirements)/[\w/.-]*)`', text)
    assert [name for name in named if not (ROOT / name).exists() and name != 'mmgtrack/.mim'] == []


@pages
def test_commands_and_their_options_exist(page: Path) -> None:
    for line in commands_of(page):
        words = line.split()
        if 'mmgtrack' in words[0].split('/')[-1]:
            assert words[1] in COMMANDS, line
            assert set(FLAG.findall(line)) <= options_of(words[1]), line


@pages
def test_protocols_exist(page: Path) -> None:
    text = page.read_text(encoding='utf-8')
    named = re.findall(r'`(\w+@[\w-]+)`', text) + re.findall(r'--protocol (\w[\w@-]*)', text)
    assert set(named) - {'P'} <= {protocol.name for protocol in all_protocols()}


def test_every_benchmark_is_documented() -> None:
    text = (ROOT / 'docs' / 'which_number.md').read_text(encoding='utf-8')
    assert [benchmark.name for benchmark in BENCHMARKS if f'`{benchmark.name}`' not in text] == []


@pages
def test_make_targets_exist(page: Path) -> None:
    targets = re.findall(r'^([a-z]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE)
    named = re.findall(r'(?:^|`)make ([a-z]+)', page.read_text(encoding='utf-8'), re.MULTILINE)
    assert set(named) <= set(targets)


@pytest.mark.parametrize('command', COMMANDS)
def test_every_option_is_documented(command: str) -> None:
    text = (ROOT / 'docs' / 'command_line.md').read_text(encoding='utf-8')
    section = text.split(f'## mmgtrack {command}', 1)[1].split('\n## ', 1)[0]
    assert set(FLAG.findall(section)) == options_of(command) - {'-h', '--help'}


@pytest.mark.parametrize('tool', TOOLS)
def test_options_of_tools_exist(tool: str) -> None:
    text = (ROOT / 'docs' / 'command_line.md').read_text(encoding='utf-8')
    (line,) = re.findall(rf'^python {tool} .*$', text, re.MULTILINE)
    done = subprocess.run(
        [sys.executable, tool, '--help'], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(FLAG.findall(line)) <= set(FLAG.findall(done.stdout))


def test_readme_opens_with_the_two_commands() -> None:
    commands = commands_of(ROOT / 'README.md')
    assert commands[:2] == ['make demo', 'make test']
