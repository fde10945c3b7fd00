"""Errors as a caller hears them: problem details (RFC 9457), never a stack trace or a path of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails, to_json
from starlette.exceptions import HTTPException

from hierindex.errors import (
    ConflictError,
    DuplicateIdError,
    HierIndexError,
    InputError,
    MissingExtraError,
    NoEncoderError,
    StorageError,
    UnknownIdError,
)

__all__ = ["MEDIA_TYPE", "Problem", "ProblemDetails", "answer_to", "answers", "install"]

MEDIA_TYPE = "application/problem+json"
_LONGEST = 600  # characters of a sentence; some name what they found, which a caller chose

_KINDS: tuple[tuple[type[HierIndexError], int, str | None], ...] = (
    # the first that fits; a sentence of our own stands where the error's would name folders of this machine
    (UnknownIdError, 404, None),
    (ConflictError, 409, "another writer committed first; its changes are seen now, so look and repeat yours"),
    (DuplicateIdError, 409, None),
    (InputError, 422, None),
    (NoEncoderError, 422, None),
    (MissingExtraError, 501, "the server lacks an optional package that this needs; its log says which"),
    (StorageError, 503, "the index on the server's disk could not be read or written; its log says why"),
    (HierIndexError, 500, "the server could not do this; its log says why"),
)


class ProblemDetails(BaseModel):
    """Why a request failed, after RFC 9457."""

    type: str = Field("about:blank", description="Always about:blank: the status says what kind of problem it is.")
    title: str = Field(description="The phrase of the status.")
    status: int
    detail: str = Field(description="What was asked, what was found, and what to do.")
    kind: str | None = Field(None, description="The error of the Python library that this was.")
    errors: list[dict[str, Any]] = Field(
        default_factory=list, description="Where in the body, and what is wrong there."
    )


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """A request that the server itself refuses.

    Args:
        status: of HTTP.
        detail: a sentence: what was asked, what was found, what to do.
        kind: the error of `hierindex.errors` that a client raises; None leaves that to the status.
        wait: seconds after which it may be tried again.
        errors: single faults, with their places.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kind: str | None = None,
        wait: int | None = None,
        errors: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.kind, self.wait, self.errors = status, detail, kind, wait, errors or []


def install(app: FastAPI) -> None:
    """Let the app answer every error with problem details."""

    async def handle(_: Request, error: Exception) -> Response:
        return answer_to(error)

    for kind in (Problem, HierIndexError, HTTPException, RequestValidationError, ValidationError):
        app.add_exception_handler(kind, handle)


def answer_to(error: Exception) -> Response:
    """The response to an error; 500 and no word of it for one that nobody foresaw."""
    problem, headers = _problem_of(error), _headers_of(error)
    if problem.wait is not None:
        headers["Retry-After"] = str(problem.wait)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    details = ProblemDetails(
        type="about:blank",
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail if len(problem.detail) <= _LONGEST else problem.detail[:_LONGEST] + " ...",
        kind=problem.kind,
        errors=problem.errors,
    )
    return Response(to_json(details), problem.status, headers, MEDIA_TYPE)


def answers(*statuses: int, media: tuple[str, ...] = ()) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of the errors of a route, and of the media types of its answer where that is not JSON."""
    found: dict[int | str, dict[str, Any]] = {200: {"content": {each: {} for each in media}}} if media else {}
    return found | {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": _REFERENCE}}}
        for status in sorted({*statuses, 400, 401, 403, 503})
    }


_REFERENCE = {"$ref": "#/components/schemas/ProblemDetails"}


def _problem_of(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(list(error.errors()))
    if isinstance(error, ValidationError):
        return _invalid(error.errors(include_url=False, include_context=False, include_input=False))
    if isinstance(error, HierIndexError):
        status, sentence = next((status, text) for kind, status, text in _KINDS if isinstance(error, kind))
        return Problem(status, sentence or str(error), kind=type(error).__name__)
    if isinstance(error, HTTPException):
        return Problem(error.status_code, str(error.detail))
    return Problem(500, "the server failed; its log says why")


def _invalid(errors: list[Any]) -> Problem:
    """400 for what is no JSON, 422 for JSON that does not say what it should."""
    faults = [_fault(each) for each in errors[:20]]
    status = 400 if any(each["type"] == "json_invalid" for each in errors) else 422
    first = f"{'.'.join(map(str, faults[0]['at'])) or 'the request'}: {faults[0]['what']}"
    return Problem(
        status, f"the request should fit the schema in /openapi.json; found {first}", kind="InputError", errors=faults
    )


def _fault(error: ErrorDetails) -> dict[str, Any]:
    return {"at": list(error["loc"]), "what": error["msg"]}


def _headers_of(error: Exception) -> dict[str, str]:
    headers: Mapping[str, str] | None = getattr(error, "headers", None)
    return dict(headers or {})
