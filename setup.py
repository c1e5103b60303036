"""What pyproject.toml cannot say: configs and tools travel in wheels as ``mmgtrack/.mim``.

mmengine (``_base_ = 'mmgtrack::...'``) and mim look for them there. A build happens outside the source tree
and leaves nothing in it: stale files in ``build/`` would get into later wheels, and mim would find every
config twice.
"""

import atexit
import shutil
import tempfile
from pathlib import Path

from setuptools import setup
from setuptools.command.build import build
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PACKED = ('configs', 'tools', 'model-index.yml')


class Build(build):
    """Build in a temporary folder."""

    def finalize_options(self) -> None:
        self.build_base = tempfile.mkdtemp(prefix='mmgtrack-build-')
        atexit.register(shutil.rmtree, self.build_base, ignore_errors=True)
        super().finalize_options()


class BuildPy(build_py):
    """Build the modules, and pack the configs and tools beside them."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:  # an editable install reads them where they are
            for source, target in self._packed():
                self.mkpath(str(target.parent))
                self.copy_file(str(source), str(target))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs: list[str] = super().get_outputs(include_bytecode)
        return outputs if self.editable_mode else outputs + [str(target) for _, target in self._packed()]

    def _packed(self) -> list[tuple[Path, Path]]:
        """Files to pack: where each is, and where it goes."""
        files = [path for name in PACKED for path in (ROOT / name, *(ROOT / name).rglob('*'))]
        return [
            (path, Path(self.build_lib) / 'mmgtrack' / '.mim' / path.relative_to(ROOT))
            for path in files
            if path.is_file() and '__pycache__' not in path.parts
        ]


def remove_egg_info_at_exit() -> None:
    """setuptools writes it into the source tree for its own use during a build."""
    folder = ROOT / 'mmgtrack.egg-info'
    if not folder.exists():
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


remove_egg_info_at_exit()
setup(cmdclass={'build': Build, 'build_py': BuildPy})
