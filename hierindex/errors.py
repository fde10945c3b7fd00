"""Every error that hierindex raises on purpose, as one tree.

    HierIndexError
    |-- InputError (ValueError)          an argument is not what the call takes
    |   |-- EmptyInputError              nothing to work on
    |   |-- ImageError                   an image cannot be read, or does not fit the others
    |   `-- DuplicateIdError             an id is given twice, or is in the index already
    |-- UnknownIdError (KeyError)        an id is not in the index
    |-- NoEncoderError                   images were given to an index that holds no encoder
    |-- WeightsError                     pretrained weights cannot be had (offline)
    |-- MissingExtraError (ImportError)  an optional package is needed; names the pip line
    |-- ProcessError                     another process of a training over several has ended or is silent
    |-- ServerError                      a hierindex server refuses, fails, or cannot be reached
    `-- StorageError (OSError)           what lies on disk cannot be used
        |-- NotAnIndexError              the path is no index
        |-- FormatVersionError           written by a newer hierindex
        |-- CorruptIndexError            parts are missing, truncated or contradict each other
        `-- ConflictError                another writer committed first

Each message says what was asked, what was found, and what to do.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = [
    "ConflictError",
    "CorruptIndexError",
    "DuplicateIdError",
    "EmptyInputError",
    "FormatVersionError",
    "HierIndexError",
    "ImageError",
    "InputError",
    "MissingExtraError",
    "NoEncoderError",
    "NotAnIndexError",
    "ProcessError",
    "ServerError",
    "StorageError",
    "UnknownIdError",
    "WeightsError",
    "need",
]


class HierIndexError(Exception):
    """The base of all errors of this package."""


class InputError(HierIndexError, ValueError):
    """An argument is not what the call takes."""


class EmptyInputError(InputError):
    """There is nothing to work on."""


class ImageError(InputError):
    """An image cannot be read, or does not fit the others."""


class DuplicateIdError(InputError):
    """An id is given twice, or is in the index already."""


class UnknownIdError(HierIndexError, KeyError):
    """An id is not in the index."""

    __str__ = Exception.__str__  # KeyError would print the message as a quoted key


class NoEncoderError(HierIndexError):
    """Images were given to an index that holds no encoder."""


class WeightsError(HierIndexError):
    """Pretrained weights cannot be had."""


class MissingExtraError(HierIndexError, ImportError):
    """An optional package is needed."""


class ProcessError(HierIndexError):
    """Another process of a training over several has ended or is silent."""


class ServerError(HierIndexError):
    """A hierindex server refuses a call, fails at it, or cannot be reached.

    Attributes:
        status: of its HTTP answer; None where there was none.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class StorageError(HierIndexError, OSError):
    """What lies on disk cannot be used, or the disk cannot be written."""

    __str__ = Exception.__str__


class NotAnIndexError(StorageError):
    """The path is no hierindex index."""


class FormatVersionError(StorageError):
    """The index was written by a newer hierindex."""


class CorruptIndexError(StorageError):
    """Parts of the index are missing, truncated or contradict each other."""


class ConflictError(StorageError):
    """Another writer committed first; refresh and try again."""


def need(module: str, extra: str) -> ModuleType:
    """Import an optional ``module``, or say which pip line brings it.

    Args:
        module: dotted module name, such as ``"matplotlib.pyplot"``.
        extra: the extra of this package that installs it, such as ``"plots"``.

    Raises:
        MissingExtraError: the module is not installed.

    Example:
        >>> need("json", "plots").dumps([1])
        '[1]'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"this needs the package {package!r}, which is not installed; run: pip install 'hierindex[{extra}]'"
        ) from error
