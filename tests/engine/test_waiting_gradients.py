"""Gradients that wait for the rest of an accumulated batch, in the checkpoints of several processes."""

import subprocess
import sys
from pathlib import Path

import torch

# one pass of two that make an update; a layer that both processes use, one of the first alone, one of neither
PROCESS = """
import sys
from datetime import timedelta
from types import SimpleNamespace

import torch
from mmengine.optim import OptimWrapper

from mmgtrack.engine.runner import TrackerRunner

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group(
    'gloo', f'file://{folder}/meet', rank=rank, world_size=2, timeout=timedelta(seconds=60)
)
layers = {name: torch.nn.Linear(2, 3) for name in ('idle', 'first', 'both')}
layers['frozen'] = torch.nn.Linear(2, 2).requires_grad_(False)
model = torch.nn.ModuleDict(layers)
wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1), accumulative_counts=2)
wrapper.initialize_count_status(model, 0, 4)
loss = (rank + 1) * model['both'](torch.tensor([1.0, 2.0])).sum()
if rank == 0:
    loss = loss + 8 * model['first'](torch.tensor([1.0, 2.0])).sum()
with wrapper.optim_context(model):
    wrapper.update_params(loss)
waiting = TrackerRunner._waiting_gradients(SimpleNamespace(optim_wrapper=wrapper, model=model))
torch.save(waiting, f'{folder}/{rank}.pth')
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


def test_processes_may_have_them_for_different_parameters(tmp_path: Path) -> None:
    command = [sys.executable, '-c', PROCESS]
    started = [subprocess.Popen([*command, str(rank), str(tmp_path)]) for rank in range(2)]
    try:
        assert [process.wait(timeout=300) for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()
    # half of the loss in each pass; means of what the processes have
    expected = {'first': 4 / 2 * torch.tensor([1.0, 2.0]), 'both': (0.5 + 1) / 2 * torch.tensor([1.0, 2.0])}
    for rank in range(2):
        found = torch.load(tmp_path / f'{rank}.pth')
        assert set(found) == {f'{layer}.{kind}' for layer in expected for kind in ('weight', 'bias')}
        for layer, row in expected.items():
            torch.testing.assert_close(found[f'{layer}.weight'], row.expand(3, 2))
            torch.testing.assert_close(found[f'{layer}.bias'], row[0].expand(3))
