"""Tiny images, and every form in which a caller may have them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch.utils.data import Dataset


def random_images(n: int, h: int, w: int, c: int, seed: int = 0) -> np.ndarray:
    """uint8 ``(n, h, w, c)`` with all grey levels."""
    return np.random.default_rng(seed).integers(0, 256, (n, h, w, c)).astype(np.uint8)


def picture(x: np.ndarray) -> Image.Image:
    """A PIL image of ``(h, w, 1)`` or ``(h, w, 3)``."""
    return Image.fromarray(x[..., 0] if x.shape[2] == 1 else x)


def encoded(x: np.ndarray, kind: str = "PNG") -> bytes:
    """The bytes of an image file."""
    file = io.BytesIO()
    picture(x).save(file, format=kind)
    return file.getvalue()


def write_folder(folder: Path, images: np.ndarray) -> list[Path]:
    """One PNG each, in two class folders; in the order of the images."""
    paths = []
    for i, x in enumerate(images):
        path = folder / ("a" if i < len(images) // 2 else "b") / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(x))
        paths.append(path)
    return paths


def write_parquet(path: Path, column: pa.Array, name: str = "image", group: int = 2) -> Path:
    """A Parquet file with that column and one of labels, in small row groups."""
    table = pa.table({"label": pa.array(range(len(column))), name: column})
    pq.write_table(table, path, row_group_size=group)
    return path


def hugging_face(images: np.ndarray) -> pa.Array:
    """The column of the Hugging Face layout."""
    return pa.array([{"bytes": encoded(x), "path": f"{i}.png"} for i, x in enumerate(images)])


class Things(Dataset):
    """A map-style data set over a list; counts how often it is asked."""

    def __init__(self, things: list[object]) -> None:
        self.things = things
        self.asked = 0

    def __len__(self) -> int:
        return len(self.things)

    def __getitem__(self, i: int) -> object:
        self.asked += 1
        thing = self.things[i]
        if isinstance(thing, Exception):
            raise thing
        return thing


def every_form(images: np.ndarray, folder: Path) -> dict[str, object]:
    """All that `open_images` takes, made from the same uint8 ``(n, h, w, c)``; c is 1 or 3."""
    first = np.ascontiguousarray(np.moveaxis(images, -1, 1))
    paths = write_folder(folder / "classes", images)
    pictures = [picture(x) for x in images]
    forms: dict[str, object] = {
        "array": images,
        "array, channels first": first,
        "array, int64": images.astype(np.int64),
        "array, float in 0..1": images / 255,
        "array, float16 in 0..1": (images / 255).astype(np.float16),
        "array, float in 0..255": images.astype(np.float32),
        "tensor": torch.from_numpy(images.copy()),
        "tensor, channels first": torch.from_numpy(first),
        "tensor, float, channels first": torch.from_numpy(first).float() / 255,
        "folder": folder / "classes",
        "folder as text": str(folder / "classes"),
        "files": paths,
        "files as text": [str(path) for path in paths],
        "bytes": [encoded(x) for x in images],
        "pictures": pictures,
        "arrays": list(images),
        "arrays, channels first": list(first),
        "tensors": list(torch.from_numpy(first).float() / 255),
        "data set of pictures": Things(pictures),
        "data set of tensors": Things(list(torch.from_numpy(first))),
        "data set of tuples": Things([(p, 7) for p in pictures]),
        "data set of dicts": Things([{"label": 7, "image": p} for p in pictures]),
        "Parquet": write_parquet(folder / "plain.parquet", pa.array([encoded(x) for x in images])),
        "Parquet, large binary": write_parquet(
            folder / "large.parquet", pa.array([encoded(x) for x in images], pa.large_binary()), "pixels"
        ),
        "Parquet, Hugging Face": str(write_parquet(folder / "hf.parquet", hugging_face(images))),
        "Parquets": [
            write_parquet(folder / "0.parquet", hugging_face(images[:3])),
            write_parquet(folder / "1.parquet", pa.array([encoded(x) for x in images[3:]])),
        ],
    }
    if images.shape[-1] == 1:
        forms["array without channels"] = images[..., 0]
        forms["arrays without channels"] = list(images[..., 0])
    return forms
