"""What training costs: images a second and peak memory, by network, arithmetic, threads, chunks and processes.

    python -m benchmarks.training [--rounds 2] [--steps 3] [--size 32] [--scale 1] [--seed 0] [--encoders small]

Every figure comes from `learn_images` itself in a process of its own, on random pixels: a step makes two views of every
image, encodes them, computes the contrast, goes back and moves the weights. Rounds are interleaved, the first step of a
process is not counted, and a figure is the median over all steps of all rounds. Memory is the largest resident size
until the last step, beside what the process had before the first. Writes ``benchmarks/results/training.json``; takes
eight to nine minutes on two quiet cores.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np

from benchmarks.common import ROOT, about, write
from hierindex.learning.config import EncoderConfig, EncoderName, HeadConfig, LearnConfig, Precision, TrainConfig
from hierindex.vectors import Int64

BATCH = {"small": 256, "resnet18": 32, "vit-small": 64}  # images in a step: half a second to some seconds on one core


@dataclass(frozen=True)
class Case:
    """One figure: which network, how, and on how much of the machine."""

    encoder: str
    precision: str
    chunked: bool = False
    threads: int = 1
    processes: int = 1


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3, help="timed steps in a round")
    parser.add_argument("--size", type=int, default=32, help="pixels a side")
    parser.add_argument("--scale", type=float, default=1, help="of the batches; below 1 to try the script")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--encoders", nargs="+", default=list(BATCH), choices=BATCH)
    parser.add_argument("--case", type=lambda text: Case(**json.loads(text)), default=None, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case is not None:
        one(args.case, args)
        return
    began = time.perf_counter()
    found: dict[Case, list[dict[str, Any]]] = {case: [] for case in cases(args.encoders)}
    for number in range(args.rounds):
        for case in found:
            found[case].append(ran(case, args))
            speed = batch_of(case, args) / median(found[case][-1]["seconds"])
            print(f"round {number + 1}: {speed:.0f} images/s, {case}")
    result = about(__file__, seed=args.seed, data=f"random pixels, {args.size} x {args.size} x 3")
    result |= {"rounds": args.rounds, "steps": args.steps, "seconds": time.perf_counter() - began}
    result["rows"] = [row(case, rounds, args) for case, rounds in found.items()]
    write("training", result)


def cases(encoders: list[str]) -> list[Case]:
    """One core: whole and in chunks; then two threads; then two processes of one thread."""
    both = [(name, precision) for name in encoders for precision in ("float32", "bfloat16")]
    alone = [Case(*one, chunked) for one in both for chunked in (False, True)]
    return alone + [Case(*one, threads=2) for one in both] + [Case(*one, processes=2) for one in both]


def row(case: Case, rounds: list[dict[str, Any]], args: argparse.Namespace) -> dict[str, Any]:
    """The figures of a case."""
    batch = batch_of(case, args)
    return asdict(case) | {
        "batch": batch,
        "chunk": chunk_of(case, args),
        "images_a_second": batch / median(second for one in rounds for second in one["seconds"]),
        "before_mib": median(one["before_mib"] for one in rounds),
        "peak_mib": median(one["peak_mib"] for one in rounds),
    }


def batch_of(case: Case, args: argparse.Namespace) -> int:
    """Images in a step."""
    return max(8, int(BATCH[case.encoder] * args.scale))


def chunk_of(case: Case, args: argparse.Namespace) -> int | None:
    """Views in a pass: a quarter of the batch's."""
    return batch_of(case, args) // 2 if case.chunked else None


def ran(case: Case, args: argparse.Namespace) -> dict[str, Any]:
    """What a process of its own (or the first of two) says of the case."""
    command = [sys.executable]
    if case.processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(case.processes)]
    command += ["-m", "benchmarks.training", "--case", json.dumps(asdict(case)), "--steps", str(args.steps)]
    command += ["--size", str(args.size), "--scale", str(args.scale), "--seed", str(args.seed)]
    env = {**os.environ, "OMP_NUM_THREADS": str(case.threads)}
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True)
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def one(case: Case, args: argparse.Namespace) -> None:
    """Some steps of the case, in this process."""
    from hierindex.learning.learn import learn_images
    from hierindex.learning.ranks import rank

    batch, watch = batch_of(case, args), Watch(args.steps)
    config = LearnConfig(
        encoder=EncoderConfig(name=EncoderName(case.encoder)),
        training=TrainConfig(epochs=1, batch_size=batch, joint_fraction=0, chunk=chunk_of(case, args)),
        head=HeadConfig(steps=1),
        precision=Precision(case.precision),
        seed=args.seed,
        device="cpu",
    )
    pixels = np.random.default_rng(args.seed).integers(
        0, 256, (batch * (args.steps + 1), args.size, args.size, 3), np.uint8
    )
    try:
        learn_images(Pixels(pixels), config, watch)
    except Enough:
        if rank() == 0:
            print(json.dumps({"seconds": watch.seconds, "before_mib": watch.before, "peak_mib": watch.peak}))


class Enough(Exception):  # noqa: N818 - no error
    """All steps are timed."""


class Watch:
    """A progress that notes when each step ends, and what the process held."""

    def __init__(self, steps: int) -> None:
        self.steps, self.ends, self.before, self.peak = steps, list[float](), 0.0, 0.0

    def stage(self, name: str, total: int) -> None:  # noqa: ARG002 - of the protocol
        """Before the first step."""
        self.before = held()

    def step(self, n: int = 1, note: str = "") -> None:  # noqa: ARG002 - of the protocol
        """After a step; 0 steps are those of a checkpoint."""
        if n:
            self.ends.append(time.perf_counter())
            self.peak = held()
        if len(self.ends) > self.steps:
            raise Enough

    @property
    def seconds(self) -> list[float]:
        """Of every step but the first."""
        return [after - before for before, after in zip(self.ends, self.ends[1:], strict=False)]


@dataclass(frozen=True)
class Pixels:
    """Images in memory, as learning reads them."""

    images: np.ndarray[Any, np.dtype[np.uint8]]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        _, height, width, channels = self.images.shape
        return height, width, channels

    def read(self, rows: Int64) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Images of these rows."""
        return self.images[rows]


def held() -> float:
    """The largest resident size so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
