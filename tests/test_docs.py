"""The documentation names files, options and targets that exist."""

import argparse
import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmgtrack.cli.main import COMMANDS, build_parser
from mmgtrack.evaluation.benchmarks import BENCHMARKS, all_protocols
from mmgtrack.packaged_configs import run_config
from tests.pages import ROOT, blocks_of, commands_of, write_files

PAGES = [ROOT / 'README.md', ROOT / 'CHANGELOG.md', *sorted((ROOT / 'docs').rglob('*.md'))]
CONFIGS = sorted((ROOT / 'configs').rglob('*.py'))
TOOLS = (
    'tools/train.py',
    'tools/test.py',
    'tools/analysis/association_speed.py',
    'tools/analysis/benchmark.py',
    'tools/analysis/distractors.py',
    'tools/analysis/evaluation_speed.py',
    'tools/analysis/fast_path.py',
    'tools/analysis/get_flops.py',
    'tools/analysis/guided_ablation.py',
    'tools/analysis/index_speed.py',
    'tools/analysis/loading_speed.py',
    'tools/analysis/meta_learning.py',
    'tools/analysis/point_loss.py',
    'tools/analysis/re_id.py',
    'tools/analysis/recall.py',
    'tools/analysis/size_arms.py',
    'tools/analysis/size_histogram.py',
    'tools/analysis/size_study.py',
    'tools/analysis/training_log.py',
)
FLAG = re.compile(r'(?<![\w-])--[a-z][a-z_-]*')

pages = pytest.mark.parametrize('page', PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


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
def test_python_is_python_and_imports_what_exists(page: Path) -> None:
    for block in blocks_of(page, 'python'):
        tree = ast.parse(block.replace(', …', '').replace('…', '...'))
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        ours = [node for node in imports if str(node.module).startswith('mmgtrack')]
        exec(compile(ast.Module(ours, []), page.name, 'exec'), {})


@pages
def test_configs_are_read(page: Path, tmp_path: Path) -> None:
    """Those that name their base, which another file of the page may be."""
    write_files(page, tmp_path)
    config = tmp_path / 'block.py'
    for block in blocks_of(page, 'python'):
        # one that uses mmtrack is read where that is installed: tests/compat
        if re.search('^_base_ =', block, re.MULTILINE) and 'compat.mmtrack' not in block:
            config.write_text(block, encoding='utf-8')
            assert isinstance(run_config(config).model, dict)


@pages
def test_protocols_exist(page: Path) -> None:
    text = page.read_text(encoding='utf-8')
    named = re.findall(r'`(\w+@[\w-]+)`', text) + re.findall(r'--protocol (\w[\w@-]*)', text)
    assert set(named) - {'P'} <= {protocol.name for protocol in all_protocols()}


def test_every_benchmark_is_documented() -> None:
    text = (ROOT / 'docs' / 'which_number.md').read_text(encoding='utf-8')
    assert [benchmark.name for benchmark in BENCHMARKS if f'`{benchmark.name}`' not in text] == []


@pytest.mark.parametrize('config', CONFIGS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_model_cards_exist(config: Path) -> None:
    cards = re.findall(r'^# Model card: (\S+)', config.read_text(encoding='utf-8'), re.MULTILINE)
    assert [card for card in cards if not (ROOT / card).is_file()] == []


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
