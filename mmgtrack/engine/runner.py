"""mmengine's Runner for trackers."""

import logging
from typing import Any

from mmengine.model import PretrainedInit, is_model_wrapper
from mmengine.runner import CheckpointLoader, Runner, find_latest_checkpoint
from torch import nn

from mmgtrack.checkpoint import unmatched_keys, without_wrapper
from mmgtrack.engine.data_workers import typed_worker_errors, with_timeout
from mmgtrack.errors import InputError, MMGTrackError


class TrackerRunner(Runner):
    """mmengine's Runner, which says in one line (InputError) why it cannot build the model.

    So it does where a process that loads data dies or hangs (WorkerError). It fetches no weights in vain, and
    its log has no line for every parameter.
    """

    def build_model(self, model: nn.Module | dict[str, Any]) -> nn.Module:
        try:
            return super().build_model(model)
        except MMGTrackError:
            raise
        except Exception as error:  # whatever a wrong type, shape or name in the config runs into
            reason = (str(error).strip().splitlines() or [''])[0]
            raise InputError(
                f'the config builds no model: {type(error).__name__}: {reason}; if it starts from a '
                'detector, docs/detectors.md says which ones cannot be guided'
            ) from error

    @staticmethod
    def build_dataloader(dataloader: Any, seed: int | None = None, diff_rank_seed: bool = False) -> Any:
        given = with_timeout(dataloader) if isinstance(dataloader, dict) else dataloader
        return Runner.build_dataloader(given, seed=seed, diff_rank_seed=diff_rank_seed)

    def train(self) -> nn.Module:
        with typed_worker_errors():
            return super().train()

    def _init_model_weights(self) -> None:
        """Initialise, but fetch no weights that those this run starts from replace anyway."""
        model = self.model.module if is_model_wrapper(self.model) else self.model
        pretrained = {name: part for name, part in model.named_modules() if _pretrained(part)}
        start = self._load_from or (find_latest_checkpoint(self.work_dir) if self._resume else None)
        if pretrained and start:
            weights = CheckpointLoader.load_checkpoint(start, map_location='cpu')['state_dict']
            missing, _, misshapen = unmatched_keys(model, without_wrapper(weights))
            for name, part in pretrained.items():
                if not any(key.startswith(f'{name}.' if name else '') for key in missing + misshapen):
                    part.init_cfg = [cfg for cfg in _init_cfgs(part) if cfg not in _pretrained(part)]
        super()._init_model_weights()

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        self.logger.addFilter(_is_no_parameter_line)
        try:
            return super().build_optim_wrapper(optim_wrapper)
        finally:
            self.logger.removeFilter(_is_no_parameter_line)


def _is_no_parameter_line(record: logging.LogRecord) -> bool:
    """Whether a record is none of the hundreds in which mmengine tells each parameter's rate or freeze."""
    text = record.getMessage()
    return not text.startswith('paramwise_options -- ') and 'since its requires_grad=' not in text


def _init_cfgs(module: nn.Module) -> list[dict[str, Any]]:
    settings = getattr(module, 'init_cfg', None) or []
    return [settings] if isinstance(settings, dict) else list(settings)


def _pretrained(module: nn.Module) -> list[dict[str, Any]]:
    """Those of a module's ways of initialisation that read a file."""
    return [cfg for cfg in _init_cfgs(module) if cfg.get('type') in ('Pretrained', PretrainedInit)]
