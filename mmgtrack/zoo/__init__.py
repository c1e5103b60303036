"""The models that can be called by name: ``index.json`` and the weights shipped beside it."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from mmgtrack.errors import CheckpointError, ModelNotFoundError
from mmgtrack.packaged_configs import find_config, suggest

DEFAULT = 'globaltrack_mobilenetv2_lite'
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class ModelInfo:
    """One model of the zoo.

    name: what users type; config: path of the packaged config below the config folder; weights: file
    name of the shipped weights or None; sha256, size_bytes: of that file; params: parameters;
    description: one line.
    """

    name: str
    config: str
    description: str
    weights: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    params: int | None = None


def list_models() -> list[ModelInfo]:
    """All models, the default first."""
    entries = json.loads((_HERE / 'index.json').read_text(encoding='utf-8'))
    models = [ModelInfo(**entry) for entry in entries]
    return sorted(models, key=lambda m: (m.name != DEFAULT, m.name))


def find_model(name: str) -> ModelInfo:
    """The model of that name; the error lists the nearest names."""
    models = {model.name: model for model in list_models()}
    if name in models:
        return models[name]
    raise ModelNotFoundError(f'unknown model {name!r}; {suggest(name, models)}')


def config_path(info: ModelInfo) -> Path:
    """The config file of a model: packaged in a wheel, ``configs/`` in a checkout."""
    return find_config(info.config)


def weights_path(info: ModelInfo) -> Path | None:
    """The shipped weights after checking their sha256; None if the model comes without."""
    if info.weights is None:
        return None
    path = _HERE / info.weights
    if not path.is_file():
        raise CheckpointError(
            f'the weights {info.weights} of {info.name} are missing: install mmgtrack again'
        )
    found = file_sha256(path)
    if found != info.sha256:
        raise CheckpointError(
            f'the weights {path} are damaged: expected sha256 {info.sha256}, got {found}: install again'
        )
    return path


def file_sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
