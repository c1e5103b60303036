"""mmengine's Runner for trackers."""

import logging
import os
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, is_main_process
from mmengine.model import PretrainedInit, is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import BaseLoop, CheckpointLoader, Runner
from torch import Tensor, nn

from mmgtrack.checkpoint import unmatched_keys, without_wrapper
from mmgtrack.engine.data_workers import typed_worker_errors, with_timeout
from mmgtrack.engine.resume import PARTIAL
from mmgtrack.engine.train_loops import EpochBasedTrainLoop, batch_size_of
from mmgtrack.errors import InputError, MMGTrackError, OutputError


class TrackerRunner(Runner):
    """mmengine's Runner, which says in one line (InputError) why it cannot build the model.

    So it does where a process that loads data dies or hangs (WorkerError). It fetches no weights in vain, and
    its log has no line for every parameter.
    """

    _resumed: dict[str, Any]

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
        try:
            with typed_worker_errors():
                return super().train()
        finally:
            self.logger.removeFilter(_is_no_loss_of_gradients)

    def _init_model_weights(self) -> None:
        """Initialise, but fetch no weights that those this run starts from replace anyway."""
        model = self.model.module if is_model_wrapper(self.model) else self.model
        pretrained = {name: part for name, part in model.named_modules() if _pretrained(part)}
        if pretrained and self._load_from:
            weights = CheckpointLoader.load_checkpoint(self._load_from, map_location='cpu')['state_dict']
            missing, _, misshapen = unmatched_keys(model, without_wrapper(weights))
            for name, part in pretrained.items():
                if not any(key.startswith(f'{name}.' if name else '') for key in missing + misshapen):
                    part.init_cfg = [cfg for cfg in _init_cfgs(part) if cfg not in _pretrained(part)]
        super()._init_model_weights()

    def build_train_loop(self, loop: BaseLoop | dict[str, Any]) -> BaseLoop:
        """Ours in the place of mmengine's two."""
        if isinstance(loop, dict):
            settings = dict(loop)
            by_epoch = settings.pop('by_epoch', None)
            kind = settings.get('type') or f'{"Epoch" if by_epoch else "Iter"}BasedTrainLoop'
            if kind in ('EpochBasedTrainLoop', 'IterBasedTrainLoop'):
                loop = {**settings, 'type': f'mmgtrack.{kind}'}
        return super().build_train_loop(loop)

    def register_default_hooks(self, hooks: dict[str, Any] | None = None) -> None:
        """Our checkpoint hook in the place of mmengine's."""
        hooks = dict(hooks or {})
        checkpoint = hooks.get('checkpoint', {'interval': 1})
        if isinstance(checkpoint, dict) and checkpoint.get('type', 'CheckpointHook') == 'CheckpointHook':
            hooks['checkpoint'] = {**checkpoint, 'type': 'mmgtrack.CheckpointHook'}
        super().register_default_hooks(hooks)

    def save_checkpoint(
        self, out_dir: str, filename: str, *args: Any, meta: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Written under another name first, so that a file of this name is whole whenever the run ends.

        Called by all processes; mmengine writes in the first alone.
        """
        meta = {**(meta or {}), 'batch_size': self._batch_size, 'epoch_length': len(self.train_dataloader)}
        meta['gradients'] = self._waiting_gradients()
        if '://' in str(out_dir) or not is_main_process():
            super().save_checkpoint(out_dir, filename, *args, meta=meta, **kwargs)
            return
        target = Path(out_dir) / filename
        partial = target.with_name(target.name + PARTIAL)
        try:
            super().save_checkpoint(out_dir, partial.name, *args, meta=meta, **kwargs)
            os.replace(partial, target)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise OutputError(f'cannot write the checkpoint {target}: {error.strerror}') from error

    def resume(self, filename: str, *args: Any, **kwargs: Any) -> None:
        """mmengine's; with another batch of all processes or another epoch, the order of samples goes on."""
        super().resume(filename, *args, **kwargs)
        waiting = self._resumed.get('gradients') or {}
        is_same_count = self._renumber(self._resumed)
        self._restore_gradients(waiting if is_same_count else {})

    def _renumber(self, then: dict[str, Any]) -> bool:
        """Count iterations as this run does, and say so where the run before had others.

        Returns whether the count is the same: another would weigh gradients that wait in a wrong way.
        """
        loop, now, length = self.train_loop, self._batch_size, len(self.train_dataloader)
        batch_then, length_then = then.get('batch_size', now), then.get('epoch_length', length)
        if (batch_then, length_then) == (now, length):
            return True
        before, remarks = loop.iter, []
        if isinstance(loop, EpochBasedTrainLoop):
            remarks.append(loop.renumber(batch_then, length_then, now))
        changes = []
        if batch_then != now:
            changes.append(f'the batch of all processes was {batch_then} and is {now}')
            remarks.append('with the learning rates of the checkpoint, which are not scaled again')
        if length_then != length:
            changes.append(f'an epoch had {length_then} iterations and has {length}')
        if loop.iter != before and then.get('gradients'):
            remarks.append('without the gradients of the last batches, which waited for more')
        place = ', '.join([f'iteration {loop.iter}', *remarks])
        self.logger.warning(f'RESUME: {", ".join(changes)}: goes on as {place}')
        return loop.iter == before

    def load_or_resume(self) -> None:
        super().load_or_resume()
        self._resumed = {}  # holds gradients, on the GPU

    def load_checkpoint(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        checkpoint: dict[str, Any] = super().load_checkpoint(*args, **kwargs)
        self._resumed = checkpoint.get('meta', {})
        return checkpoint

    def _waiting_gradients(self) -> dict[str, Tensor]:
        """Where a checkpoint falls between passes that are accumulated: their gradients, of all processes.

        Processes may have them for different parameters; none has taken part in one that has none anywhere.
        """
        if not isinstance(self.optim_wrapper, OptimWrapper) or self.optim_wrapper.should_update():
            return {}
        model = self.model.module if is_model_wrapper(self.model) else self.model
        learning = {n: p for n, p in model.named_parameters() if p.requires_grad}
        given = [torch.zeros_like(p) if p.grad is None else p.grad for p in learning.values()]
        shares = given[0].new_tensor([p.grad is not None for p in learning.values()])
        message = torch.cat([*(gradient.flatten() for gradient in given), shares])
        all_reduce(message, op='mean')  # as the update will take it
        *means, shares = message.cpu().split([*(p.numel() for p in given), len(given)])
        return {
            name: mean.view_as(parameter).clone()
            for (name, parameter), mean, share in zip(learning.items(), means, shares, strict=True)
            if share
        }

    def _restore_gradients(self, waiting: dict[str, Tensor]) -> None:
        model = self.model.module if is_model_wrapper(self.model) else self.model
        for name, parameter in model.named_parameters():
            if name in waiting:
                parameter.grad = waiting[name].to(parameter)
        if waiting:  # mmengine would say that they are lost
            self.logger.addFilter(_is_no_loss_of_gradients)

    @property
    def _batch_size(self) -> int:
        """Of all processes together."""
        return batch_size_of(self.train_dataloader) * self.world_size

    def scale_lr(self, optim_wrapper: OptimWrapper, auto_scale_lr: dict[str, Any] | None = None) -> None:
        """By the samples of an update; mmengine counts those of a pass."""
        if auto_scale_lr and auto_scale_lr.get('enable'):
            passes = getattr(optim_wrapper, '_accumulative_counts', 1)
            base = auto_scale_lr['base_batch_size'] / passes
            auto_scale_lr = {**auto_scale_lr, 'base_batch_size': base}
        super().scale_lr(optim_wrapper, auto_scale_lr)

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        # layers that freeze in train() alone have no groups then, as where several processes wrap the model
        self.model.train()
        self.logger.addFilter(_is_no_parameter_line)
        try:
            return super().build_optim_wrapper(optim_wrapper)
        finally:
            self.logger.removeFilter(_is_no_parameter_line)


def _is_no_parameter_line(record: logging.LogRecord) -> bool:
    """Whether a record is none of the hundreds in which mmengine tells each parameter's rate or freeze."""
    text = record.getMessage()
    return not text.startswith('paramwise_options -- ') and 'since its requires_grad=' not in text


def _is_no_loss_of_gradients(record: logging.LogRecord) -> bool:
    return 'the gradient of some iterations' not in record.getMessage()


def _init_cfgs(module: nn.Module) -> list[dict[str, Any]]:
    settings = getattr(module, 'init_cfg', None) or []
    return [settings] if isinstance(settings, dict) else list(settings)


def _pretrained(module: nn.Module) -> list[dict[str, Any]]:
    """Those of a module's ways of initialisation that read a file."""
    return [cfg for cfg in _init_cfgs(module) if cfg.get('type') in ('Pretrained', PretrainedInit)]
