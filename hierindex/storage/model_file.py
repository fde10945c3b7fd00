"""One generation of the model: ``model/000001/`` with ``spec.json`` and ``weights.safetensors``; never pickle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from hierindex.errors import InputError
from hierindex.storage.files import (
    Place,
    check_format,
    damaged,
    make_folder,
    new_file,
    next_generation,
    reading,
    remove,
    sync_folder,
)
from hierindex.storage.sealed import Json, digest, dumps, loads

__all__ = ["ModelFile", "model_name", "model_path", "read_model", "write_model"]

_FORMAT = 1  # the lowest version that suffices to read it


@dataclass(frozen=True)
class ModelFile:
    """Encoder and heads as plain values.

    Attributes:
        spec: plain JSON: what the arrays mean; storage never looks into it.
        arrays: the weights by name. Read back they are read-only.
    """

    spec: Json
    arrays: dict[str, NDArray[Any]]

    def check(self) -> None:
        """See that this can be stored.

        Raises:
            InputError: ``spec`` is not plain JSON, or an array is not numeric.
        """
        dumps(self.spec, "spec")
        for name, array in self.arrays.items():
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
                raise InputError(f"arrays should be numeric numpy arrays; found {name!r}: {_kind(array)}")


def model_name(number: int) -> str:
    """What a generation is called."""
    return f"{number:06d}"


def model_path(folder: Place, number: int) -> Place:
    """Where a generation lies."""
    return folder / model_name(number)


def write_model(folder: Place, model: ModelFile) -> int:
    """Write a new generation; its number."""
    weights = _weights(model.arrays)

    def write(number: int) -> None:
        path = model_path(folder, number)
        make_folder(path, taken=False)  # exclusive: this takes the number
        try:
            body = {"format": _FORMAT, "generation": number, "spec": model.spec, "weights_sha256": digest(weights)}
            text = dumps({"sha256": digest(dumps(body, "spec")), "body": body}, "spec")
            for name, data in (("weights.safetensors", weights), ("spec.json", text.encode())):
                with new_file(path / name) as file:
                    file.write(data)
            sync_folder(folder)
        except FileExistsError:  # in an object store: another writer took the number since, and what is there is its
            raise
        except BaseException:
            remove(path)
            raise

    return next_generation(folder, write)


def read_model(folder: Place, number: int) -> ModelFile:
    """Read a generation.

    Raises:
        FormatVersionError: a newer hierindex wrote it.
        CorruptIndexError: it is missing, damaged, or another generation.
    """
    path = model_path(folder, number)
    spec_path, weights_path = path / "spec.json", path / "weights.safetensors"
    with reading(spec_path):
        text = loads(spec_path.read_bytes())
        body = text["body"]
        check_format(body["format"], spec_path)
        if text["sha256"] != digest(dumps(body, "spec")):
            raise damaged(spec_path, "a body that does not fit its sha256")
        if body["generation"] != number:
            raise damaged(spec_path, f"generation {body['generation']!r} under the name of {number}")
    with reading(weights_path):
        weights = weights_path.read_bytes()
        if digest(weights) != body["weights_sha256"]:
            raise damaged(weights_path, f"{len(weights)} bytes that do not fit the sha256 in spec.json")
        return ModelFile(body["spec"], dict(load(weights)))


def _weights(arrays: dict[str, NDArray[Any]]) -> bytes:
    plain = {name: np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C") for name, array in arrays.items()}
    try:
        return bytes(save(plain))
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"arrays should be of dtypes that safetensors knows; found {error}") from error


def _kind(array: object) -> str:
    return f"dtype {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
