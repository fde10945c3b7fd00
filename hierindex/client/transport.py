"""Calls over HTTP: repeated where that is safe, and errors as the library raises them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hierindex import errors
from hierindex.errors import HierIndexError, InputError, ServerError, need

if TYPE_CHECKING:
    import httpx

__all__ = ["Transport"]

_PASSING = {429, 502, 503, 504}  # statuses that say: not now
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 10.0


class Transport:
    """One server, by an `httpx.Client` that keeps its connections.

    Args:
        url: such as ``http://127.0.0.1:8080``.
        key: an API key.
        timeout: seconds for each try.
        retries: further tries of a call that may be repeated, where the server cannot be reached or says 503; the waits
            between them double, unless the server says how long.
    """

    def __init__(self, url: str, key: str | None, timeout: float, retries: int) -> None:
        self._httpx = need("httpx", "client")
        if not url.startswith(("http://", "https://")):
            raise InputError(f"url should begin with http:// or https://; found {url!r}")
        if retries < 0:
            raise InputError(f"retries should be 0 or more; found {retries}")
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._url, self._retries = url, retries
        self._client: httpx.Client = self._httpx.Client(base_url=url, headers=headers, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def json(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, again: bool = True) -> Any:  # noqa: ANN401 - JSON
        """The JSON that a call gives.

        Args:
            method: of HTTP.
            path: of the route.
            body: what to send.
            again: whether the call may be repeated.

        Raises:
            HierIndexError: of the kind that the server's library raised; `ServerError` for what is not the library's.
        """
        response = self.call(method, path, body=body, again=again)
        try:
            return response.json()
        except ValueError as error:
            raise ServerError(
                f"{self._url} should answer in JSON; found something else", response.status_code
            ) from error

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        again: bool = True,
    ) -> httpx.Response:
        """The successful answer to a call; see `json`."""
        wait = _FIRST_WAIT
        for left in reversed(range(1 + self._retries * again)):
            try:
                response = self._client.request(method, path, json=body, params=params)
            except self._httpx.TransportError as error:
                if not left:
                    raise ServerError(f"{self._url} should answer; found: {error or type(error).__name__}") from error
            else:
                if response.is_success:
                    return response
                if not left or response.status_code not in _PASSING:
                    raise _error_of(response)
                wait = _asked_for(response) or wait
            time.sleep(min(wait, _LONGEST_WAIT))
            wait *= 2
        raise AssertionError("the last try returns or raises")  # pragma: no cover


def _asked_for(response: httpx.Response) -> float:
    """Seconds that the server asked for; 0 for none."""
    words = response.headers.get("Retry-After", "")
    return float(words) if words.isdigit() else 0.0


def _error_of(response: httpx.Response) -> HierIndexError:
    """The library's error that the server's problem details name."""
    try:
        problem = response.json()
        detail, kind = str(problem["detail"]), problem.get("kind")
    except (ValueError, KeyError, TypeError, AttributeError):
        return ServerError(f"the server answered {response.status_code}, without saying why", response.status_code)
    known = getattr(errors, kind, None) if isinstance(kind, str) and kind in errors.__all__ else None
    if isinstance(known, type) and issubclass(known, HierIndexError) and known is not ServerError:
        return known(detail)
    return ServerError(detail, response.status_code)
