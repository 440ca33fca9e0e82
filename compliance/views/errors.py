"""Error pages: what happened, what to do, and a reference. No exception's words are shown or logged."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from clinchat.lib.http import FileTooLarge
from clinchat.lib.keys import KeysUnavailable
from compliance import audit, logs
from compliance.access import Locked, emergency, refusals
from compliance.api.problems import answers_programs, problem, reference_of
from compliance.logs.database import timeout_of

logger = logging.getLogger("clinchat.errors")
PASSES = (OperationalError, InterfaceError, KeysUnavailable)
"""A database, a directory or a place of keys that does not answer: it passes by itself, and the page says so."""
FROZEN = "25006"
"""SQLSTATE of a write in a read-only database, as the live one is for the last seconds of a restore."""
_plain: ContextVar[bool] = ContextVar("plain_error_pages", default=False)


@contextmanager
def plain() -> Iterator[None]:
    """Refusals inside have their status and headers and no page: for checks that are refused by the hundred."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def is_plain() -> bool:
    return _plain.get()


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        refusals.note(audit.Code.INPUT_VALIDATION_FAIL, why="too large")
        return _page(request, 413, words=exception.words if isinstance(exception, FileTooLarge) else "")
    return _page(request, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, Locked):
        return _page(request, 403, locked=True, missing=exception.missing)
    return _page(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    user = getattr(request, "user", None)
    return _page(request, 404, way_in=emergency.way_in(user, request.path) if user is not None else "")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form was made for another session: reloading the page mends it, so the page says that. It is on record."""
    refusals.note(audit.Code.AUTHZ_FAIL, why="csrf")
    return _page(request, 403, template="400.html")


def server_error(request: HttpRequest) -> HttpResponse:
    """An exception nobody handled; a lost database is told apart, because it passes by itself."""
    exception = sys.exception()
    _log(exception, reference_of(request))
    if hasattr(request, "session"):
        del request.session  # SessionMiddleware would read it, and with the database gone fail and wait again
    return _page(request, 503 if _passes(exception) else 500)


def _passes(exception: BaseException | None) -> bool:
    return isinstance(exception, PASSES) or getattr(exception and exception.__cause__, "sqlstate", "") == FROZEN


def _page(request: HttpRequest, status: int, template: str = "", **context: object) -> HttpResponse:
    reference = reference_of(request)
    if answers_programs(request.path):
        return problem(status, reference)
    if _plain.get():
        return HttpResponse(status=status)
    # After a server error nothing may be relied on; an early refusal comes before the person is known.
    frame = request if status < 500 and hasattr(request, "user") else None
    page = render_to_string(template or f"{status}.html", {"reference": reference, **context}, request=frame)
    return HttpResponse(page, status=status)


def _log(exception: BaseException | None, reference: str) -> None:
    """Where it happened and what kind it was. The message is left out: it can quote what a person typed."""
    frames = traceback.extract_tb(exception.__traceback__) if exception else []
    ours = [frame for frame in frames if "site-packages" not in frame.filename]
    places = [f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno}" for frame in [*ours[-8:], *frames[-1:]]]
    if timeout_of(exception) == "connect":  # of statements that took too long a line is written where they ran
        logs.timed_out(what="database", limit="connect")
    code = "DATABASE_LOST" if isinstance(exception, OperationalError | InterfaceError) else "SERVER_ERROR"
    code = "KEYS_LOST" if isinstance(exception, KeysUnavailable) else code
    logger.error("%s %s at %s", reference or "-", type(exception).__name__, " > ".join(places), extra={"code": code})
