"""Small sets for the tests of learning."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from sklearn.datasets import load_digits

from hierindex.learning.config import EncoderConfig, HeadConfig, LearnConfig, TrainConfig


@dataclass(frozen=True)
class Images:
    """A source of images in memory."""

    pixels: np.ndarray

    def __len__(self):
        return len(self.pixels)

    @property
    def shape(self):
        return self.pixels.shape[1:]

    def read(self, rows):
        return self.pixels[rows]


@dataclass
class Heard:
    """A progress that remembers."""

    stages: list = field(default_factory=list)
    done: int = 0
    stop_after: int | None = None

    def stage(self, name, total):
        self.stages.append((name, total))
        self.done = 0

    def step(self, n=1, note=""):
        self.done += n
        if self.stop_after is not None and self.done > self.stop_after:
            raise KeyboardInterrupt


class Tiny(torch.nn.Module):
    """A network of one's own, a hundred times smaller than the built-in ones."""

    def __init__(self, channels=1, dim=16):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(channels, 8, 3, stride=2, padding=1),
            torch.nn.BatchNorm2d(8),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(8 * 16, dim),
        )

    def forward(self, x):
        return self.layers(x)


def digits(n):
    """Images uint8 ``(n, 8, 8, 1)`` of handwritten digits, and which digit each is."""
    found = load_digits()
    return Images((found.images[:n, :, :, None] * 15.9).astype(np.uint8)), found.target[:n]


def quick(epochs=4, joint=0.5, steps=30, freeze=False, **rest):
    """A configuration that takes a second."""
    return LearnConfig(
        encoder=EncoderConfig(freeze=freeze),
        training=TrainConfig(epochs=epochs, batch_size=32, joint_fraction=joint),
        head=HeadConfig(ball_dim=4, hidden=8, steps=steps, triplets=256, lr=0.01),
        device="cpu",
        **rest,
    )


def tiny(seed=0):
    """The same `Tiny` for the same seed."""
    torch.manual_seed(seed)
    return Tiny()
