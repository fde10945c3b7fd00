"""API keys: who may read, who may write. Only their hashes are kept in memory."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Self

from hierindex.errors import InputError
from hierindex.vectors import member

__all__ = ["ENVIRONMENT", "Key", "Keys", "Scope", "new_key"]

ENVIRONMENT = {"HIERINDEX_READ_KEYS": "read", "HIERINDEX_WRITE_KEYS": "write"}
"""Environment variables with keys, comma-separated, and the scope that they give."""

_HASHED = "sha256:"
_SHORTEST = 16


class Scope(Enum):
    """What a key opens; whoever may write may read too."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True)
class Key:
    """A key by the SHA-256 of it (keys are random and long, so that no slower hash is needed), with a name for logs."""

    name: str
    scope: Scope
    digest: bytes

    @property
    def writes(self) -> bool:
        """Whether it opens the routes that change the index."""
        return self.scope is Scope.WRITE


@dataclass(frozen=True)
class Keys:
    """The keys that a server knows.

    Example:
        >>> keys = Keys.parse("write  correct-horse-battery  # ann")
        >>> keys.find("correct-horse-battery").scope, keys.find("wrong")
        (<Scope.WRITE: 'write'>, None)
    """

    known: tuple[Key, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.known)

    def __add__(self, other: Keys) -> Keys:
        return Keys(self.known + other.known)

    def find(self, given: str) -> Key | None:
        """The key that a caller gave, or None; it takes as long for every wrong one."""
        digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
        found = [key for key in self.known if hmac.compare_digest(key.digest, digest)]
        return max(found, key=lambda key: key.writes, default=None)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Keys of lines ``scope key`` (``read`` or ``write``; the key itself, or ``sha256:`` and its hex digest).

        What stands behind ``#`` is the name that logs show; empty lines and comments are passed over.

        Raises:
            InputError: a line is not of this form, or a key is shorter than 16 characters. It shows no key.
        """
        lines = [(at, line.strip()) for at, line in enumerate(text.splitlines(), 1)]
        return cls(tuple(_key(line, at) for at, line in lines if line and not line.startswith("#")))

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """The keys of a file, see `parse`.

        Raises:
            InputError: it cannot be read, holds no key, or a line is not of the form.
        """
        try:
            keys = cls.parse(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} should be a text file of keys; found: {error}") from error
        if not keys:
            raise InputError(f"{path} should hold at least one line 'read KEY' or 'write KEY'; found none")
        return keys

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Self:
        """The keys in the variables of `ENVIRONMENT`."""
        lines = [
            f"{scope} {key.strip()}"
            for name, scope in ENVIRONMENT.items()
            for key in environment.get(name, "").split(",")
            if key.strip()
        ]
        return cls.parse("\n".join(lines))


def new_key(scope: Scope, name: str) -> tuple[str, str]:
    """A fresh random key, and the line of a key file that knows it by its hash.

    Example:
        >>> key, line = new_key(Scope.READ, "shop")
        >>> Keys.parse(line).find(key).name
        'shop'
    """
    key = secrets.token_urlsafe(32)
    return key, f"{scope.value} {_HASHED}{hashlib.sha256(key.encode()).hexdigest()}  # {name}"


def _key(line: str, at: int) -> Key:
    form = re.fullmatch(r"(?P<scope>\w+)\s+(?P<key>\S+)(?:\s+#\s*(?P<name>.*))?", line)
    if form is None:
        raise InputError(f"line {at} of the keys should read 'read KEY' or 'write KEY', with '# name' behind or not")
    return Key(
        form["name"] or f"key {at}", member(Scope, form["scope"], "the scope of a key"), _digest(form["key"], at)
    )


def _digest(key: str, at: int) -> bytes:
    if key.startswith(_HASHED):
        hashed = key.removeprefix(_HASHED)
        if re.fullmatch(r"[0-9a-fA-F]{64}", hashed) is None:
            raise InputError(f"line {at} of the keys should have 64 hex digits behind {_HASHED!r}")
        return bytes.fromhex(hashed)
    if len(key) < _SHORTEST:
        raise InputError(f"line {at} of the keys: a key should have at least {_SHORTEST} characters; found {len(key)}")
    return hashlib.sha256(key.encode()).digest()
