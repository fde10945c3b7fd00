"""`Client`: the verbs of `HierIndex`, spoken to a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, overload
from urllib.parse import quote

import numpy as np
from numpy.typing import ArrayLike

from hierindex.client.answers import HitsWithPayload, RangesWithPayload, as_hits, as_ranges
from hierindex.client.outgoing import as_asked, as_id_list, as_records
from hierindex.client.transport import Transport
from hierindex.vectors import Ids

__all__ = ["Client"]


class Client(Transport):
    """An index behind `hierindex serve`. Threads may share one.

    Searches and everything else that only reads is tried again where the server cannot be reached or is too busy;
    changes only with a ``token``, which makes repeating them safe.

    Args:
        url: such as ``http://127.0.0.1:8080``.
        key: an API key, where the server asks for one.
        timeout: seconds for each try.
        retries: further tries.

    Raises:
        MissingExtraError: without ``pip install 'hierindex[client]'``.

    Example:
        ``Client("http://127.0.0.1:8080").search([0.1, 0.2, 0.3], k=5, payload=["title"])``
    """

    def __init__(self, url: str, *, key: str | None = None, timeout: float = 60.0, retries: int = 3) -> None:
        super().__init__(url, key, timeout, retries)

    def __len__(self) -> int:
        """How many points are in the index."""
        return int(self.info()["points"])

    @overload
    def search(
        self,
        query: object = ...,
        k: int | None = ...,
        *,
        ids: ArrayLike | None = ...,
        recall: float = ...,
        radius: None = ...,
        nprobe: int | None = ...,
        filter: Mapping[str, Any] | None = ...,
        payload: Sequence[str] | bool = ...,
        include_self: bool = ...,
    ) -> HitsWithPayload: ...
    @overload
    def search(
        self,
        query: object = ...,
        k: int | None = ...,
        *,
        ids: ArrayLike | None = ...,
        recall: float = ...,
        radius: float,
        nprobe: int | None = ...,
        filter: Mapping[str, Any] | None = ...,
        payload: Sequence[str] | bool = ...,
        include_self: bool = ...,
    ) -> RangesWithPayload: ...
    def search(
        self,
        query: object = None,
        k: int | None = None,
        *,
        ids: ArrayLike | None = None,
        recall: float = 0.95,
        radius: float | None = None,
        nprobe: int | None = None,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the name that every vector store uses
        payload: Sequence[str] | bool = False,
        include_self: bool = False,
    ) -> HitsWithPayload | RangesWithPayload:
        """The k nearest points of each query, or all within a radius; see `HierIndex.search`.

        Args:
            query: one or many vectors, ``(d,)`` or ``(n, d)``; or an image, or a list of them: paths, bytes of files,
                PIL images.
            k: how many neighbours; None is 10, or with a radius all there are.
            ids: in place of ``query``: points of the index, to find more like them.
            recall: the share of the true neighbours to find, on average; 1 is exact.
            radius: only points at most so far away.
            nprobe: how many leaves to scan, in place of ``recall``.
            filter: over payload columns, such as ``{"column": "price", "op": "<", "value": 20}``.
            payload: columns to return; True for all.
            include_self: with ``ids``: each may be among its own neighbours.

        Raises:
            InputError, UnknownIdError, NoEncoderError: as `HierIndex.search` does. ServerError: the server refuses or
            cannot be reached.
        """
        body = as_asked(query, ids) | {"recall": recall, "payload": payload if payload is True else list(payload or ())}
        for name, value in (("k", k), ("radius", radius), ("nprobe", nprobe), ("filter", filter)):
            if value is not None:
                body[name] = value
        results = self.json("POST", "/v1/search", body | ({"include_self": True} if include_self else {}))["results"]
        return as_hits(results, 10 if k is None else k) if radius is None else as_ranges(results)

    def explain(self, query: object, k: int = 10, *, recall: float = 0.95) -> dict[str, Any]:
        """What a search of one query visits, by the names of `hierindex.index.explain.Explanation`."""
        body = as_asked(query, None) | {"k": k, "recall": recall, "explain": True}
        return dict(self.json("POST", "/v1/search", body)["explanation"])

    def add(
        self, points: object, *, ids: ArrayLike | None = None, payload: object = None, token: str | None = None
    ) -> Ids:
        """Add vectors or images; they are on the server's disk when this returns. See `HierIndex.add`.

        Returns:
            Their ids; where the token was known, those that were given.

        Raises:
            DuplicateIdError, InputError, StorageError: as `HierIndex.add` does. ServerError: the server refuses or
            cannot be reached; without a token nobody knows then whether the points are there.
        """
        return self._put(points, ids, payload, token, upsert=False)

    def upsert(self, points: object, ids: ArrayLike, *, payload: object = None, token: str | None = None) -> Ids:
        """Put points in the place of those with the same ids, and add the others; otherwise as `add`."""
        return self._put(points, ids, payload, token, upsert=True)

    def update_payload(self, ids: ArrayLike, payload: object, *, token: str | None = None) -> int:
        """Set payload columns of some points; how many there were. See `HierIndex.update_payload`."""
        body = {"ids": as_id_list(ids), "payload": as_records(payload)}
        return int(self._change("PATCH", "/v1/points/payload", body, token)["changed"])

    def delete(self, ids: ArrayLike, *, missing: str = "error", token: str | None = None) -> int:
        """Remove points; how many there were. See `HierIndex.delete`."""
        body = {"ids": as_id_list(ids), "missing": missing}
        return int(self._change("POST", "/v1/points/delete", body, token)["changed"])

    def refresh(self) -> bool:
        """Let the server go on to the newest version on its disk; whether there was a newer one."""
        return bool(self.json("POST", "/v1/refresh")["refreshed"])

    def info(self) -> dict[str, Any]:
        """What the index is, and what the server allows."""
        return dict(self.json("GET", "/v1/info"))

    def history(self) -> list[dict[str, Any]]:
        """The versions on the server's disk, newest first."""
        return list(self.json("GET", "/v1/history"))

    def image(self, id: int | str, size: int = 128) -> bytes:  # noqa: A002
        """The picture of a point, as the bytes of a PNG or JPEG file with at most ``size`` pixels a side."""
        return self.call("GET", f"/v1/images/{quote(str(id), safe='')}", params={"size": size}).content

    def _put(self, points: object, ids: ArrayLike | None, payload: object, token: str | None, *, upsert: bool) -> Ids:
        asked = as_asked(points, None)
        body: dict[str, Any] = {"upsert": upsert, "vectors" if "vectors" in asked else "images": _many(asked)}
        given = None if ids is None else as_id_list(ids)
        if given is not None:
            body["ids"] = given
        if payload is not None:
            body["payload"] = as_records(payload)
        answer = self._change("POST", "/v1/points", body, token)
        put = given if answer["repeated"] and given is not None else answer["ids"]
        return np.array(put, dtype=object if any(isinstance(each, str) for each in put) else np.int64)

    def _change(self, method: str, path: str, body: dict[str, Any], token: str | None) -> dict[str, Any]:
        named = body if token is None else body | {"token": token}
        return dict(self.json(method, path, named, again=token is not None))


def _many(asked: dict[str, Any]) -> list[Any]:
    return list(asked.get("vectors") or asked["images"])
