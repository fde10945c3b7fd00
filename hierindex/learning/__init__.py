"""Learning: unlabelled images become latent vectors and a tree on the ball (InfoHier, arXiv 2501.08717).

Only this room knows torch, torchvision and geoopt, and they are loaded only when something that needs them is used:
the configuration, the results and the choice of the tree are plain Python and NumPy.

    from hierindex.learning import LearnConfig, learn_images, learn_vectors, load_encoder, choose_tree
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hierindex.lazy import from_homes

if TYPE_CHECKING:
    from hierindex.learning.balance import (
        Balance,
        Balanced,
        FixedBalance,
        GradientRatio,
        JacobianBalance,
    )
    from hierindex.learning.config import (
        BalanceName,
        EncoderConfig,
        EncoderName,
        HeadConfig,
        LearnConfig,
        LossConfig,
        Precision,
        TableConfig,
        TrainConfig,
        ViewConfig,
    )
    from hierindex.learning.contrastive import (
        ContrastiveLoss,
        info_nce,
        lifted,
        mine,
        nt_xent,
        soft_triplet,
        triplet,
        tuplet,
    )
    from hierindex.learning.encoder import Encoder, load_encoder
    from hierindex.learning.encoder_file import EncoderFile
    from hierindex.learning.history import History
    from hierindex.learning.learn import Parts, learn_images, learn_vectors
    from hierindex.learning.learned import Learned
    from hierindex.learning.objectives.base import Objective
    from hierindex.learning.objectives.settings import (
        BarlowTwinsConfig,
        ByolConfig,
        DinoConfig,
        FamilyConfig,
        ObjectiveName,
        SimSiamConfig,
        SwavConfig,
        VicRegConfig,
        WMseConfig,
    )
    from hierindex.learning.selection import Candidate, Choice, Rule, choose_among, choose_tree
    from hierindex.learning.sources import ImageSource, open_images
    from hierindex.learning.tables import Table

__all__ = [
    "Balance",
    "BalanceName",
    "Balanced",
    "BarlowTwinsConfig",
    "ByolConfig",
    "Candidate",
    "Choice",
    "ContrastiveLoss",
    "DinoConfig",
    "Encoder",
    "EncoderConfig",
    "EncoderFile",
    "EncoderName",
    "FamilyConfig",
    "FixedBalance",
    "GradientRatio",
    "HeadConfig",
    "History",
    "ImageSource",
    "JacobianBalance",
    "LearnConfig",
    "Learned",
    "LossConfig",
    "Objective",
    "ObjectiveName",
    "Parts",
    "Precision",
    "Rule",
    "SimSiamConfig",
    "SwavConfig",
    "Table",
    "TableConfig",
    "TrainConfig",
    "VicRegConfig",
    "ViewConfig",
    "WMseConfig",
    "choose_among",
    "choose_tree",
    "info_nce",
    "learn_images",
    "learn_vectors",
    "lifted",
    "load_encoder",
    "mine",
    "nt_xent",
    "open_images",
    "soft_triplet",
    "triplet",
    "tuplet",
]

_HOMES = {
    "balance": (
        "Balance",
        "Balanced",
        "FixedBalance",
        "GradientRatio",
        "JacobianBalance",
    ),
    "config": (
        "BalanceName",
        "EncoderConfig",
        "EncoderName",
        "HeadConfig",
        "LearnConfig",
        "LossConfig",
        "Precision",
        "TableConfig",
        "TrainConfig",
        "ViewConfig",
    ),
    "contrastive": (
        "ContrastiveLoss",
        "info_nce",
        "lifted",
        "mine",
        "nt_xent",
        "soft_triplet",
        "triplet",
        "tuplet",
    ),
    "encoder": ("Encoder", "load_encoder"),
    "encoder_file": ("EncoderFile",),
    "history": ("History",),
    "learn": ("Parts", "learn_images", "learn_vectors"),
    "learned": ("Learned",),
    "objectives.base": ("Objective",),
    "objectives.settings": (
        "BarlowTwinsConfig",
        "ByolConfig",
        "DinoConfig",
        "FamilyConfig",
        "ObjectiveName",
        "SimSiamConfig",
        "SwavConfig",
        "VicRegConfig",
        "WMseConfig",
    ),
    "selection": ("Candidate", "Choice", "Rule", "choose_among", "choose_tree"),
    "sources": ("ImageSource", "open_images"),
    "tables": ("Table",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__getattr__ = from_homes(__name__, _HOME_OF)
