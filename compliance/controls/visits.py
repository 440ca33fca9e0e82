"""Requests of checks through the whole application of this process: with a form's token, to every address there is."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings

from compliance import audit
from compliance.access import counters, networks
from compliance.access.matrix import Route
from compliance.controls import canary

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.test import Client

EXAMPLES: Final = {
    "uuid": "00000000-0000-4000-8000-000000000000",
    "day": "2026-01-01",
    "str": "x",
    "path": "x",
    "slug": "x",
    "int": "1",
    "control": "AA-00",
    "check": "nothing.here",
}
"""Names of nothing: what an address leads to with one of them does not exist."""
NOT_OPENED: Final = {
    "answer-events": "a stream: it closes the connection of whoever reads it",
    "signin-directory": "it would ask the hospital's directory",
    "signin-directory-back": "it would ask the hospital's directory",
}
"""Addresses no check opens, by name, and why; their doors are compared all the same."""
TAKES_FILES: Final = frozenset({"/api/library/uploads"})
"""Below /api/, and not JSON."""
READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@contextmanager
def apart(check: str) -> Iterator[str]:
    """What a check tries counts for no limit and no lock of anybody, and its events name the check.

    Yields how the names of the counters begin. What this process knew of blocked networks is read anew afterwards.
    """
    from compliance.views import errors  # it loads the API, which the vault and most checks need not

    with counters.apart() as begins, errors.plain(), audit.bind(kind=audit.ActorKind.SERVICE, name="Control check"):
        audit.amend(purpose="", marks={"check": check})
        try:
            yield begins
        finally:
            networks.forget()


def address(route: Route) -> str:
    """Something an address answers to, with nothing that exists in the place of each argument."""
    path = re.sub(r"\(\?P<app_label>.*\)", "compliance", route.path)
    path = re.sub(r"\(\?P<\w+>.*\)", "nothing-here", path)
    return re.sub(r"<(?:(\w+):)?\w+>", lambda found: EXAMPLES.get(found[1] or "str", "x"), path)


def origin() -> str:
    """Where our own pages come from."""
    return f"{'https' if settings.TLS else 'http'}://{canary.host()}"


def send(
    client: Client, verb: str, path: str, data: Mapping[str, Any] | None = None, *, token: bool = True, **headers: str
) -> HttpResponse:
    """As a form of ours is sent, or below /api/ as a script of ours sends JSON.

    Without `token`, as a page of somebody else would have it sent.
    """
    from compliance.api.problems import answers_programs  # as above

    own: dict[str, Any] = {"HTTP_ORIGIN": origin()} if token else {}
    if token:
        cookie = client.cookies.get(settings.CSRF_COOKIE_NAME)
        secret = cookie.value if cookie else secrets.token_hex(16)
        client.cookies[settings.CSRF_COOKIE_NAME] = secret
        own["HTTP_X_CSRFTOKEN"] = secret
    response: HttpResponse
    if answers_programs(path) and path not in TAKES_FILES:
        body = json.dumps(dict(data or {}))
        response = client.generic(verb, path, body, "application/json", **own | headers)  # type: ignore[assignment]
    elif verb == "POST":
        response = client.post(path, dict(data or {}), **own | headers)  # type: ignore[assignment]  # the client's class
    else:
        response = client.generic(verb, path, **own | headers)  # type: ignore[assignment]  # as above
    return response


def verb_of(route: Route) -> str:
    """The verb an address is tried with: it is read where it can be."""
    return "GET" if not route.verbs or "GET" in route.verbs else next(iter(route.verbs))
