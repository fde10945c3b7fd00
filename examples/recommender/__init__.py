"""A recommendation backend on MovieLens: item vectors by matrix factorisation, answers by `hierindex`.

    from examples.recommender import Recommender, Wanted

    backend = Recommender.build("ml-latest-small", "movies")
    backend.like(1)                          # more like Toy Story
    backend.because([1, 260, 527])           # because you watched these three
    backend.for_user(42, Wanted(genres=("Comedy",), per_branch=2))  # from what a user watched last, varied

The same from a terminal: ``python -m examples.recommender --help``. Needs ``pip install 'hierindex[recommender]'``.
"""

from examples.recommender.backend import Recommended, Recommender, Wanted
from examples.recommender.factors import FactorConfig, Factors
from examples.recommender.movielens import read_movies, read_views
from examples.recommender.views import Views

__all__ = ["FactorConfig", "Factors", "Recommended", "Recommender", "Views", "Wanted", "read_movies", "read_views"]
