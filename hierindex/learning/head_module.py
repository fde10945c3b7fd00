"""The head while it learns: `hierindex.head.Head` as a torch module, and its start at the principal axes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from hierindex.head import Head

__all__ = ["HeadModule"]

_SHORT = 1e-6
_RIDGE = 1e-3


class HeadModule(nn.Module):
    """unit(u @ linear + relu(u @ w1 + b1) @ w2) with u = (z - mean) / scale; see `hierindex.head.Head`.

    Started from random axes the 2-D loss is stuck in whatever circular order it began with, so ``linear`` begins at the
    principal axes of the latents and the hidden layer at zero output (w2 = 0).
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, dim: int, points: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))
        self.linear = nn.Parameter(torch.zeros(dim, points))
        self.w1 = nn.Parameter(torch.zeros(dim, hidden))
        self.b1 = nn.Parameter(torch.zeros(hidden))
        self.w2 = nn.Parameter(torch.zeros(hidden, points))

    @torch.no_grad()
    def start(self, latent: Tensor, generator: torch.Generator) -> None:
        """Set the weights from latents ``(n, d)``: centred, one common scale, principal axes, random hidden layer."""
        self.centre(latent, generator)
        self.linear.copy_(principal_axes(self.scaled(latent), self.linear.shape[1]))

    @torch.no_grad()
    def centre(self, latent: Tensor, generator: torch.Generator) -> None:
        """`start` without the axes, for a head that is going to be aimed."""
        self.mean.copy_(latent.mean(0))
        spread = (latent - self.mean).square().sum(1).mean().sqrt()
        self.scale.fill_(float(spread) if float(spread) > 1e-12 else 1.0)
        self.w1.copy_(torch.randn(self.w1.shape, generator=generator, device=generator.device))
        self.b1.zero_()
        self.w2.zero_()

    @torch.no_grad()
    def aim(self, latent: Tensor, wanted: Tensor) -> None:
        """Set the outer weights of a centred head: latents ``(n, d)`` come as near as can be to places ``(n, p)``.

        Ridge regression on u, the hidden layer as it is (random: A. Rahimi and B. Recht, NIPS 2008), and one constant,
        for which the first hidden unit is given up: relu(u @ 0 + 1) = 1.
        """
        self.w1[:, 0], self.b1[0] = 0.0, 1.0
        u = self.scaled(latent)
        seen = torch.cat([u, torch.relu(u @ self.w1 + self.b1)], dim=1).double()
        gram = seen.T @ seen
        gram.diagonal().add_(_RIDGE * gram.diagonal().mean())
        weights = torch.linalg.solve(gram, seen.T @ wanted.double()).float()
        self.linear.copy_(weights[: u.shape[1]])
        self.w2.copy_(weights[u.shape[1] :])

    def forward(self, z: Tensor) -> Tensor:
        """Unit vectors ``(n, p)`` for latents ``(n, d)``, in the dtype of the weights (float32), under autocast too.

        An output shorter than 1e-6 is rounding noise around the centre: it is given a direction, the same as by
        `hierindex.head.Head`, but no gradient, which would be a million times that of the others.
        """
        return self.place(self.scaled(z))

    def scaled(self, z: Tensor) -> Tensor:
        """What `forward` calls u, ``(n, d)``; the same throughout, where neither latents nor `centre` change."""
        return (z.to(self.mean.dtype) - self.mean) / self.scale

    def place(self, u: Tensor) -> Tensor:
        """`forward` of what `scaled` gave."""
        with torch.autocast(u.device.type, enabled=False):  # half precision would leave 256 angles
            return _unit(u @ self.linear + torch.relu(u @ self.w1 + self.b1) @ self.w2)

    def to_head(self) -> Head:
        """The same head as a NumPy value."""
        weights = {name: value.detach().float().cpu().numpy().copy() for name, value in self.state_dict().items()}
        return Head.from_arrays(weights)


def _unit(rows: Tensor) -> Tensor:
    """Rows ``(n, p)`` at length 1; a row of zeros becomes the first axis."""
    length = rows.detach().norm(dim=1, keepdim=True)
    rows = torch.where(length > _SHORT, rows, rows.detach())
    rows = torch.where(length > 0, rows, torch.eye(1, rows.shape[1], dtype=rows.dtype, device=rows.device))
    return normalize(rows, dim=1, eps=0)


def principal_axes(u: Tensor, count: int) -> Tensor:
    """The first axes ``(d, count)`` of centred rows ``(n, d)``, largest variance first; zero columns where d < count.

    The sign of an axis is fixed (its largest entry is positive), so that equal data give equal axes.
    """
    _, vectors = torch.linalg.eigh((u.double().T @ u.double()) / len(u))
    axes = vectors.flip(1)[:, :count]
    axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
    padded = torch.zeros(u.shape[1], count, dtype=u.dtype, device=u.device)
    padded[:, : axes.shape[1]] = axes.to(u.dtype)
    return padded
