"""What was learned, as plain values: two heads, perhaps an encoder, and the record of the training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from numpy.typing import NDArray

from hierindex.decode import Decode
from hierindex.errors import CorruptIndexError
from hierindex.head import AnyHead, Head, head_of
from hierindex.learning.learned import EncoderFile
from hierindex.storage import ModelFile
from hierindex.vectors import Float32

__all__ = ["Model"]


@dataclass(frozen=True)
class Model:
    """The learned part of an index.

    Attributes:
        head: the head on p > 2 dimensions, of either kind. disk: the head on the Poincare disk (p = 2).
        on_disk: whether the tree is decoded from ``disk`` (chosen without labels), not from ``head``.
        decode: how points on the ball become a tree.
        encoder: the encoder's file, or None for an index of ready vectors.
        about: JSON: scores of the choice, training history, configuration, skipped images.
    """

    head: AnyHead
    disk: Head
    on_disk: bool
    decode: Decode
    encoder: EncoderFile | None
    about: dict[str, Any]

    def points(self, rows: Float32) -> Float32:
        """Ideal points ``(n, p)`` of prepared rows ``(n, d)`` under the head that the tree is decoded from."""
        return (self.disk if self.on_disk else self.head)(rows)

    def to_file(self) -> ModelFile:
        """This model as JSON and named arrays."""
        parts: dict[str, Mapping[str, NDArray[Any]]] = {"head": self.head.arrays(), "disk": self.disk.arrays()}
        if self.encoder is not None:
            parts["encoder"] = self.encoder.arrays
        spec = {
            "on_disk": self.on_disk,
            "decode": self.decode.value,
            "encoder": None if self.encoder is None else self.encoder.spec,
            "about": self.about,
        }
        arrays = {f"{part}.{name}": array for part, named in parts.items() for name, array in named.items()}
        return ModelFile(spec=spec, arrays=arrays)

    @classmethod
    def from_file(cls, file: ModelFile) -> Self:
        """The model of that file.

        Raises:
            CorruptIndexError: the file lacks a part, or holds a value that no model has.
        """
        spec = file.spec
        try:
            encoder = spec["encoder"]
            return cls(
                head=head_of(_part(file.arrays, "head")),
                disk=Head.from_arrays(_part(file.arrays, "disk")),
                on_disk=bool(spec["on_disk"]),
                decode=Decode(spec["decode"]),
                encoder=None if encoder is None else EncoderFile(encoder, _part(file.arrays, "encoder")),
                about=dict(spec["about"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptIndexError(f"the stored model's description is damaged: {error!r}") from error


def _part(arrays: dict[str, NDArray[Any]], part: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(f"{part}."): a for name, a in arrays.items() if name.startswith(f"{part}.")}
