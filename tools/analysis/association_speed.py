"""How long association takes for one frame with many candidates and as many tracklets.

Four cases: "well separated": each candidate is within reach of one tracklet. "gated": a crowd, each within
reach of several that look different. "all similar": a denser crowd of objects that look the same up to noise.
"near-identical": all boxes in one place, all looks the same up to a little noise. A repeat is another scene.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from rich.console import Console
from rich.table import Table

from mmgtrack.apis.benchmark import Spread
from mmgtrack.association import AssociationRules, Tracklets, associate
from mmgtrack.association.cascade import match
from mmgtrack.association.cost import fused_cost
from mmgtrack.association.life import moved
from mmgtrack.association.looks import unit
from mmgtrack.association.observations import Observations
from mmgtrack.association.tracklets import started
from mmgtrack.cli.tools import run_tool

SIDE = 40.0  # of every box, pixels
RULES = AssociationRules()


@dataclass(frozen=True)
class Case:
    """A kind of scene.

    spacing: sides of a box, on average, to the nearest other. shake: noise of place and size, pixels.
    looks: how many different ones; None: each its own. look_noise: length of the noise added to each.
    """

    spacing: float
    shake: float
    look_noise: float
    looks: int | None = None


CASES = {
    'well separated': Case(spacing=20, shake=1, look_noise=0.6),
    'gated': Case(spacing=0.5, shake=1, look_noise=0.6),
    'all similar': Case(spacing=0.1, shake=2, look_noise=0.6, looks=1),
    'near-identical': Case(spacing=0, shake=1, look_noise=0.05, looks=1),
}


def main() -> None:
    """Parse the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--candidates', type=int, default=300, help='and tracklets (default: %(default)s)')
    add('--dims', type=int, default=128, help='numbers of an embedding (default: %(default)s)')
    add('--repeats', type=int, default=20, help='scenes of each case (default: %(default)s)')
    args = parser.parse_args()
    table = Table('case', 'pairs in the gate', 'cost, gating, matching: ms', 'whole frame: ms')
    for name, case in CASES.items():
        shares, matching, whole = zip(*measured(case, args.candidates, args.dims, args.repeats), strict=True)
        table.add_row(name, f'{100 * np.mean(shares):.1f} %', text_of(matching), text_of(whole))
    Console(width=100).print(table)


def measured(case: Case, count: int, dims: int, repeats: int) -> Iterator[tuple[float, float, float]]:
    """Share of pairs in the gate, and milliseconds of matching and of a whole frame, for each scene."""
    for seed in range(repeats):
        tracklets, found = scene(case, count, dims, seed)
        seen, expected = Observations.of(*found, dims, RULES), moved(tracklets, RULES)
        share = float(np.isfinite(fused_cost(expected, seen, RULES)).mean())
        nothing_denied = np.zeros(len(seen), dtype=bool)
        began = time.perf_counter()
        match(expected, seen, nothing_denied, RULES)
        matched = time.perf_counter()
        associate(tracklets, *found, RULES)
        yield share, 1e3 * (matched - began), 1e3 * (time.perf_counter() - matched)


def scene(
    case: Case, count: int, dims: int, seed: int
) -> tuple[Tracklets, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Confirmed tracklets, and the next frame's boxes, scores and embeddings of the same objects."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 1, (count, 2)) * case.spacing * SIDE * count**0.5
    looks = unit(rng.normal(size=(case.looks or count, dims)))

    def frame() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        boxes = np.concatenate([centres - SIDE / 2, centres + SIDE / 2], axis=1)
        noise = unit(rng.normal(size=(count, dims)))
        return (
            boxes + rng.normal(0, case.shake, boxes.shape),
            rng.uniform(RULES.high_score, 1, count),
            unit(looks + case.look_noise * noise),
        )

    tracklets = started(np.arange(count), *frame())
    return replace(tracklets, hits=np.full(count, RULES.confirm_hits)), frame()


def text_of(values: tuple[float, ...]) -> str:
    """Median and range."""
    spread = Spread.of(values)
    return f'{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})'


if __name__ == '__main__':
    run_tool(main)
