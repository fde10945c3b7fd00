"""The contrastive loss, InfoHier eq. (2), in its general form (Tian 2022, arXiv 2201.12680).

    L_ct = mean over i of phi( sum over j of psi( |z_i - z_i'|^2 - |z_i - z_j|^2 ) ),

z_i' the positive of z_i (its other view), j its negatives. phi and psi are any increasing functions; with
phi(s) = log(1 + s) and psi(x) = exp(x / (2 tau)) on unit vectors it is NT-Xent (SimCLR, arXiv 2002.05709).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hierindex.errors import InputError

__all__ = ["ContrastiveLoss", "nt_xent", "view_positives"]

Scalar = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ContrastiveLoss:
    """Eq. (2) for chosen phi and psi.

    Attributes:
        phi: applied to the sum over the negatives.
        psi: applied to every difference of squared distances.
    """

    phi: Scalar
    psi: Scalar

    def __call__(self, z: Tensor, positives: Tensor, excluded: Tensor | None = None) -> Tensor:
        """The loss of a batch; every row is an anchor, and the negatives of a row are all others but its positives.

        Args:
            z: projections ``(n, d)``, any float dtype; scaled to unit length and computed in float32.
            positives: int64 ``(n, p)``, the rows that are positives of each row; the loss is the mean over them.
            excluded: bool ``(n, n)``; True where a column is neither positive nor negative of a row (for example a
                near neighbour in the whole set).

        Returns:
            Loss ``()``.
        """
        z = normalize(z.float(), dim=1)
        squared = 2 - 2 * z @ z.T
        negative = torch.ones_like(squared, dtype=torch.bool).fill_diagonal_(False)
        negative.scatter_(1, positives, False)
        if excluded is not None:
            negative &= ~excluded
        difference = squared.gather(1, positives)[:, :, None] - squared[:, None, :]  # (n, p, n)
        return self.phi((self.psi(difference) * negative[:, None, :]).sum(-1)).mean()


def nt_xent(tau: float = 0.2) -> ContrastiveLoss:
    """NT-Xent at the temperature tau.

    Raises:
        InputError: tau below 0.03, where exp(2 / tau) leaves float32.

    Example:
        >>> z = torch.eye(2).repeat(2, 1)
        >>> round(nt_xent(1.0)(z, view_positives(2)).item(), 4)  # log(1 + 2 exp(-1))
        0.5514
    """
    if tau < 0.03:
        raise InputError(f"the temperature of NT-Xent should be at least 0.03; found {tau}")
    return ContrastiveLoss(phi=torch.log1p, psi=lambda x: torch.exp(x / (2 * tau)))


def view_positives(n: int, device: torch.device | str = "cpu") -> Tensor:
    """Positives ``(2n, 1)`` of a batch that holds n first views and then, in the same order, their n second views."""
    return torch.arange(2 * n, device=device).roll(n)[:, None]
