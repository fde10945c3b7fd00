"""Where learning runs and in which arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hierindex.errors import InputError
from hierindex.learning.config import Precision

__all__ = ["autocast", "pick_device", "seeded", "uses_bfloat16"]


def pick_device(wanted: str | None) -> torch.device:
    """The wanted device, or a GPU where there is one, or the CPU.

    Raises:
        InputError: the device does not exist.

    Example:
        >>> pick_device("cpu")
        device(type='cpu')
    """
    if wanted is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device should be one that torch can use here; found {wanted!r} ({error})") from error
    return device


def uses_bfloat16(precision: Precision, device: torch.device) -> bool:
    """Whether the encoder trains in bfloat16."""
    if precision is not Precision.AUTO:
        return precision is Precision.BFLOAT16
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    # asked by name: the function is young, and a CPU it knows nothing of computes bfloat16 slowly
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def autocast(device: torch.device, *, bfloat16: bool) -> torch.autocast:
    """A context in which convolutions and matrix products run in bfloat16, or in which nothing changes."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bfloat16)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[torch.Generator]:
    """A generator of the device; torch's global one is seeded too (new weights, dropout) and put back afterwards."""
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.manual_seed(seed)
        yield torch.Generator(device).manual_seed(seed)
