"""A place in an object store (S3, Google, Azure), with the few verbs that storage needs of a `Path`.

The work is done by `obstore`, the Python face of the Rust crate that `deltalake` itself uses: one form of address, one
set of options and credentials for both. An object appears whole or not at all, and stays once a put has returned.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from hierindex.errors import InputError, StorageError, need

__all__ = ["Listed", "Remote"]

_CLIENT = ("allow_http", "allow_invalid_certificates", "timeout", "connect_timeout", "proxy_url")


@dataclass(frozen=True)
class Listed:
    """A file below a folder: its name from there (with ``/``), its bytes, and when it was written (Unix seconds)."""

    name: str
    size: int
    written: float


@dataclass(frozen=True)
class Remote:
    """``key`` below ``uri``.

    Attributes:
        uri: the folder of the index, such as ``s3://bucket/my.index``, without a slash at the end.
        options: what `deltalake` and `obstore` take, such as ``(("AWS_REGION", "eu-west-1"),)``; what is not given
            comes from the environment.
        key: a path below it with ``/``; empty for the folder itself.
    """

    uri: str
    options: tuple[tuple[str, str], ...] = ()
    key: str = ""

    @classmethod
    def of(cls, uri: str, options: Mapping[str, str] | None = None) -> Self:
        """The folder of an index.

        Raises:
            MissingExtraError: obstore is not installed.
            InputError: no store has such an address or option.
        """
        remote = cls(uri.rstrip("/"), tuple(sorted((options or {}).items())))
        kind = remote._package.exceptions.BaseError
        try:
            remote._store  # noqa: B018 - see now, not at the first file, whether there is such a store
        except kind as error:
            raise InputError(
                f"path should be the address of an object store, with options that it knows; found {uri!r}: "
                f"{str(error).splitlines()[0]}"
            ) from error
        return remote

    def __truediv__(self, name: str) -> Remote:
        """The place of that name below this one."""
        below = Remote(self.uri, self.options, f"{self.key}/{name}" if self.key else name)
        below.__dict__["_store"] = self._store  # one client for all
        return below

    def __str__(self) -> str:
        """Its address."""
        return f"{self.uri}/{self.key}" if self.key else self.uri

    @property
    def name(self) -> str:
        """The last part of the address."""
        return str(self).rpartition("/")[2]

    @property
    def parent(self) -> Remote:
        """The place above, within the index."""
        above = Remote(self.uri, self.options, self.key.rpartition("/")[0])
        above.__dict__["_store"] = self._store
        return above

    def exists(self) -> bool:
        """Whether there is an object of this name; the folder of the index itself is none."""
        if not self.key:
            return False
        with self._errors():
            try:
                self._package.head(self._store, self.key)
            except FileNotFoundError:
                return False
        return True

    def is_dir(self) -> bool:
        """Whether there are objects below."""
        with self._errors():
            return any(batch for batch in self._package.list(self._store, self.key or None))

    def read_bytes(self) -> bytes:
        """The whole object.

        Raises:
            FileNotFoundError: there is none.
        """
        with self._errors():
            return bytes(self._package.get(self._store, self.key).bytes())

    def create(self, data: bytes) -> None:
        """Put an object of a new name.

        Raises:
            FileExistsError: the name is taken.
        """
        with self._errors():
            try:
                self._package.put(self._store, self.key, data, mode="create")
            except self._package.exceptions.AlreadyExistsError as error:
                raise FileExistsError(f"{self} exists already") from error

    def remove(self) -> None:
        """Delete the object of this name, if there is one, and all below it."""
        with self._errors():
            names = [f"{self.key}/{file.name}" for file in self.listed()]
            self._package.delete(self._store, [self.key, *names])

    def listed(self) -> list[Listed]:
        """All objects below, by name."""
        prefix = f"{self.key}/" if self.key else ""
        with self._errors():
            found = [o for batch in self._package.list(self._store, self.key or None) for o in batch]
        return sorted(
            (Listed(o["path"].removeprefix(prefix), o["size"], o["last_modified"].timestamp()) for o in found),
            key=lambda file: file.name,
        )

    @property
    def _package(self) -> Any:  # noqa: ANN401 - a module
        return need("obstore", "cloud")

    @cached_property
    def _store(self) -> Any:  # noqa: ANN401 - obstore's own kinds, one for each cloud
        options = {name.lower(): value for name, value in self.options}
        for name in _CLIENT:  # obstore reads the keys of the clouds from the environment, and not these
            if (value := os.environ.get(f"AWS_{name.upper()}")) is not None:
                options.setdefault(f"aws_{name}", value)
        plain = {name.removeprefix("aws_"): value for name, value in options.items()}
        client = {name: _truth(plain[name]) for name in _CLIENT if name in plain}
        config = {name: value for name, value in options.items() if name.removeprefix("aws_") not in _CLIENT}
        need("obstore.store", "cloud")
        return self._package.store.from_url(self.uri, config=config, client_options=client)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What the store reports becomes a `StorageError` that names the place."""
        try:
            yield
        except self._package.exceptions.BaseError as error:
            raise StorageError(
                f"{self} should be readable and writable; found {str(error).splitlines()[0][:300]}; "
                "see to the address, the rights and the network"
            ) from error


def _truth(value: str) -> str | bool:
    return {"true": True, "1": True, "false": False, "0": False}.get(value.lower(), value)
