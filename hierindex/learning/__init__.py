"""Learning: unlabelled images become latent vectors and a tree on the ball (InfoHier, arXiv 2501.08717).

Only this room knows torch, torchvision and geoopt, and they are loaded only when something that needs them is used:
the configuration, the results and the choice of the tree are plain Python and NumPy.

    from hierindex.learning import LearnConfig, learn_images, learn_vectors, load_encoder, choose_tree
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hierindex.learning.config import (
        EncoderConfig,
        EncoderName,
        HeadConfig,
        LearnConfig,
        LossConfig,
        Precision,
        TrainConfig,
        ViewConfig,
    )
    from hierindex.learning.encoder import Encoder, load_encoder
    from hierindex.learning.encoder_file import EncoderFile
    from hierindex.learning.history import History
    from hierindex.learning.learn import Parts, learn_images, learn_vectors
    from hierindex.learning.learned import Learned
    from hierindex.learning.selection import Choice, choose_tree
    from hierindex.learning.sources import ImageSource, open_images

__all__ = [
    "Choice",
    "Encoder",
    "EncoderConfig",
    "EncoderFile",
    "EncoderName",
    "HeadConfig",
    "History",
    "ImageSource",
    "LearnConfig",
    "Learned",
    "LossConfig",
    "Parts",
    "Precision",
    "TrainConfig",
    "ViewConfig",
    "choose_tree",
    "learn_images",
    "learn_vectors",
    "load_encoder",
    "open_images",
]

_HOMES = {
    "config": (
        "EncoderConfig",
        "EncoderName",
        "HeadConfig",
        "LearnConfig",
        "LossConfig",
        "Precision",
        "TrainConfig",
        "ViewConfig",
    ),
    "encoder": ("Encoder", "load_encoder"),
    "encoder_file": ("EncoderFile",),
    "history": ("History",),
    "learn": ("Parts", "learn_images", "learn_vectors"),
    "learned": ("Learned",),
    "selection": ("Choice", "choose_tree"),
    "sources": ("ImageSource", "open_images"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for, so that reading a configuration does not load torch."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
