"""A catalogue of pictures, as a shop has one: find similar, browse, sample, find duplicates, put new items in.

    python -m examples.catalogue --out catalogue

learns from CIFAR-100 where its Parquet file is given or lies beside the checkout, else from scikit-learn's digits, and
writes contact sheets to look at. The kinds of the items are kept beside them to filter by; learning never sees them.
"""

from examples.catalogue.duplicates import altered, duplicates
from examples.catalogue.items import Items, cifar100, digits
from examples.catalogue.sheets import sheet

__all__ = ["Items", "altered", "cifar100", "digits", "duplicates", "sheet"]
