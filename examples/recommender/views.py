"""Who watched what, when: the log that a backend writes first and learns from later."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike

from examples.recommender.files import replaced
from hierindex.vectors import Int64

__all__ = ["Views"]


@dataclass(frozen=True)
class Views:
    """Views, sorted by user, then time, then movie: ``(v,)`` int64 each.

    Example:
        >>> views = Views.of([7, 7, 5], [1, 2, 3], [20, 10, 5])
        >>> views.by(7).tolist(), views.and_also([7], 4, 30).by(7).tolist()
        ([2, 1], [2, 1, 4])
    """

    user: Int64
    movie: Int64
    time: Int64

    @classmethod
    def of(cls, user: ArrayLike, movie: ArrayLike, time: ArrayLike) -> Self:
        """Views in any order."""
        columns = [np.asarray(values, np.int64) for values in (user, movie, time)]
        order = np.lexsort((columns[1], columns[2], columns[0]))
        return cls(*(values[order] for values in columns))

    def __len__(self) -> int:
        """v, how many."""
        return len(self.user)

    @property
    def users(self) -> Int64:
        """``(u,)``: who there is."""
        return np.unique(self.user)

    def by(self, user: int) -> Int64:
        """The movies of a user, latest last."""
        start, stop = np.searchsorted(self.user, [user, user + 1])
        return self.movie[start:stop]

    def and_also(self, users: ArrayLike, movie: int, time: int) -> Self:
        """These, and one view of a movie for each of some users."""
        late = np.asarray(users, np.int64)
        columns = ((self.user, late), (self.movie, np.full_like(late, movie)), (self.time, np.full_like(late, time)))
        return type(self).of(*(np.concatenate(pair) for pair in columns))

    def without_last(self) -> tuple[Self, Int64]:
        """Each user's last view held out: the others, and for each of `users` the movie held out, ``(u,)``."""
        last = np.append(self.user[1:] != self.user[:-1], True)
        return type(self)(self.user[~last], self.movie[~last], self.time[~last]), self.movie[last]

    def save(self, path: Path) -> None:
        """Write them to a Parquet file, whole or not at all."""
        with replaced(path) as fresh:
            pq.write_table(pa.table({"user": self.user, "movie": self.movie, "time": self.time}), fresh)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        table = pq.read_table(path)
        return cls(*(table[name].to_numpy() for name in ("user", "movie", "time")))
