"""Images that come one by one: fetched, looked at, decoded by a few threads, and kept in memory where they fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol, TypeVar

import numpy as np

from hierindex.errors import EmptyInputError, ImageError
from hierindex.learning.sources.base import ImageSource, MemoryImages, OnError, Shape, UInt8, Wish, fits, unique_names
from hierindex.learning.sources.frame import Agreement, Frame
from hierindex.learning.sources.pixels import Raw, UnreadableError, look, render
from hierindex.vectors import Int64

__all__ = ["Items", "LazyImages", "each", "open_items", "unreadable"]

T = TypeVar("T")

_BLOCK = 256  # images fetched at a time; after an error at most so many more are decoded
_SHARE = 8  # images a thread takes at a time; one by one, handing over costs more than decoding a small one
_WORKERS = min(8, os.cpu_count() or 1)  # Pillow decodes outside the GIL


class Items(Protocol):
    """Images before decoding, by number.

    Attributes:
        names: one name each, as the caller knows them; None where they have none.
        encoded: whether an image is a file or the bytes of one. Such can be judged by their headers, and several
            threads may decode them at once; anything else is the caller's code or object, and is asked once, in turn.
    """

    @property
    def names(self) -> list[str] | None:
        """One name each, or None."""

    @property
    def encoded(self) -> bool:
        """Whether an image is a file or the bytes of one."""

    def __len__(self) -> int:
        """How many there are."""

    def label(self, row: int) -> str:
        """What to call an image in an error."""

    def fetch(self, rows: Sequence[int]) -> list[Raw | UnreadableError]:
        """The images of those numbers, or in its place why one cannot be had."""


def each(items: Items, rows: Int64, work: Callable[[int, Raw], T]) -> Iterator[tuple[int, T | UnreadableError]]:
    """Every row number with ``work(row, image)``, in order, or with an `UnreadableError` where that failed."""

    def attempt(row: int, raw: Raw | UnreadableError) -> T | UnreadableError:
        if isinstance(raw, UnreadableError):
            return raw
        try:
            return work(row, raw)
        except UnreadableError as error:
            return error

    if not items.encoded or len(rows) < 2 or _WORKERS < 2:
        yield from ((row, attempt(row, items.fetch([row])[0])) for row in rows.tolist())
        return
    with ThreadPoolExecutor(min(_WORKERS, len(rows))) as pool:
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK].tolist()
            pairs = list(zip(block, items.fetch(block), strict=True))
            shares = [pairs[i : i + _SHARE] for i in range(0, len(pairs), _SHARE)]
            done = pool.map(lambda share: [attempt(row, raw) for row, raw in share], shares)
            yield from zip(block, chain.from_iterable(done), strict=True)


def open_items(items: Items, wish: Wish) -> ImageSource:
    """A source over images that come one by one; see `open_images` for what is checked.

    Raises:
        ImageError: an image cannot be read, or does not fit the others.
        EmptyInputError: none can be read.
    """
    sieve = _Sieve(items, wish.on_error)
    agreement = Agreement(wish)
    rows = np.arange(len(items), dtype=np.int64)
    if items.encoded:
        rows = _survey(items, rows, agreement, sieve)
        if wish.on_error is OnError.RAISE and not fits(len(rows), agreement.frame.shape):
            return LazyImages(items, agreement.frame, rows, sieve.names(rows))
    pixels, rows = _decode_all(items, rows, agreement, sieve)
    if pixels is not None:
        return MemoryImages(pixels, rows, sieve.names(rows), sieve.skipped)
    return LazyImages(items, agreement.frame, rows, sieve.names(rows), sieve.skipped)


@dataclass(frozen=True)
class LazyImages:
    """Images decoded at each read; see `ImageSource`."""

    items: Items
    frame: Frame
    kept: Int64
    names: list[str] | None = None
    skipped: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        """``(h, w, c)`` of every image."""
        return self.frame.shape

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.kept)

    def read(self, rows: Int64) -> UInt8:
        """The images of those row numbers: uint8 ``(b, h, w, c)``.

        Raises:
            ImageError: an image cannot be decoded (it is named).
        """
        picked = self.kept[rows]
        result = np.empty((len(picked), *self.shape), dtype=np.uint8)
        for place, (row, got) in enumerate(each(self.items, picked, lambda _, raw: render(raw, self.frame))):
            if isinstance(got, UnreadableError):
                raise unreadable(self.items.label(row), got) from got
            result[place] = got
        return result


@dataclass
class _Sieve:
    """Where bad images go: the first one stops everything, or all are listed."""

    items: Items
    on_error: OnError
    bad: list[tuple[int, str]] = field(default_factory=list)

    def drop(self, row: int, error: UnreadableError) -> None:
        label = self.items.label(row)
        if self.on_error is OnError.RAISE:
            raise unreadable(label, error) from error
        self.bad.append((row, f"{label}: {error}"))

    def keep(self, rows: list[int]) -> Int64:
        if not rows:
            raise EmptyInputError(
                f"images should hold at least one readable image; found none among {len(self.items)}: "
                f"{'; '.join(self.skipped[:3])}"
            )
        return np.array(rows, dtype=np.int64)

    def names(self, rows: Int64) -> list[str] | None:
        names = self.items.names
        return None if names is None else unique_names([names[row] for row in rows.tolist()])

    @property
    def skipped(self) -> tuple[str, ...]:
        return tuple(text for _, text in sorted(self.bad))


def _survey(items: Items, rows: Int64, agreement: Agreement, sieve: _Sieve) -> Int64:
    """The rows with a readable header; all of them agree."""
    good = []
    for row, got in each(items, rows, lambda _, raw: look(raw)):
        if isinstance(got, UnreadableError):
            sieve.drop(row, got)
        else:
            agreement.add(items.label(row), got)
            good.append(row)
    return sieve.keep(good)


def _decode_all(items: Items, rows: Int64, agreement: Agreement, sieve: _Sieve) -> tuple[UInt8 | None, Int64]:
    """Decode every row once: the pixels, where all fit in memory, and the rows that can be decoded."""

    def work(row: int, raw: Raw) -> UInt8:
        if not items.encoded:  # there was no header to survey
            agreement.add(items.label(row), look(raw))
        return render(raw, agreement.frame)

    pixels: UInt8 | None = None
    good: list[int] = []
    for row, got in each(items, rows, work):
        if isinstance(got, UnreadableError):
            sieve.drop(row, got)
            continue
        if not good and fits(len(rows), agreement.frame.shape):
            pixels = np.empty((len(rows), *agreement.frame.shape), dtype=np.uint8)
        if pixels is not None:
            pixels[len(good)] = got
        good.append(row)
    kept = sieve.keep(good)
    return (None if pixels is None else pixels[: len(kept)]), kept


def unreadable(label: str, error: UnreadableError) -> ImageError:
    """The error for the caller, of an image that has a name."""
    return ImageError(
        f"every image should be readable; {label} is not: {error}; mend or remove it, or pass on_error='skip' to "
        "leave such images out"
    )
