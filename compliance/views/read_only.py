"""What a person or a program hears while ClinChat is read-only, and the forms that wait meanwhile."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve

from clinchat.lib import clock
from clinchat.lib.ui_tags import at
from compliance.api.problems import answers_programs, problem, reference_of
from compliance.continuity import maintenance
from compliance.continuity.maintenance import Shown
from compliance.views import errors

logger = logging.getLogger("clinchat.read_only")

SOON: Final = 120
"""Seconds after which to try again, where nobody said when it is over."""
LATEST: Final = 24 * 3600
PROSE: Final = 40
"""Letters from which on what was typed is shown again: nobody likes to write it twice."""
_FORM: Final = re.compile(r"(<form\b[^>]*>)(.*?)(</form>)", re.DOTALL | re.IGNORECASE)
_POST: Final = re.compile(r"""\bmethod=["']?post\b""", re.IGNORECASE)
_ACTION: Final = re.compile(r"""\baction=["']([^"']*)["']""", re.IGNORECASE)


def works(view: Callable[..., Any]) -> bool:
    """Whether the view said that it takes what is sent to it all the same (compliance.access.works_read_only)."""
    return bool(getattr(view, "works_read_only", ""))


def refuse(request: HttpRequest, mode: Shown) -> HttpResponse:
    """503 with when to try again: nothing of the request was stored."""
    logger.info("refused while read-only: %s", _name(request), extra={"code": "READ_ONLY_REFUSED"})
    if answers_programs(request.path):
        response: HttpResponse = problem(503, reference_of(request), detail=_words(mode))
    elif errors.is_plain():
        response = HttpResponse(status=503)
    else:
        context = {"mode": mode, "typed": _typed(request), "reference": reference_of(request)}
        response = render(request, "read_only.html", context, status=503)
    response["Retry-After"] = str(_wait(mode))
    return response


def shut_forms(request: HttpRequest, response: HttpResponseBase) -> None:
    """Disables what would be refused in a page, and says why beside its button. Done to the page as it is sent: the
    same word of a view decides what is refused and what is shut, and no template has to know."""
    if not isinstance(response, HttpResponse) or not response.headers.get("Content-Type", "").startswith("text/html"):
        return
    mode = maintenance.current()
    if mode is None:
        return
    why = render_to_string("components/_shut.html", {"mode": mode})

    def shut(form: re.Match[str]) -> str:
        tag, inside, ends = form.groups()
        action = _ACTION.search(tag)
        if not _POST.search(tag) or _taken(action[1] if action else "", request.path):
            return form[0]
        return f'{tag}<fieldset class="shut" disabled>{inside}</fieldset>{why}{ends}'

    response.content = _FORM.sub(shut, response.content.decode()).encode()


def _taken(action: str, here: str) -> bool:
    try:
        return works(resolve(urlsplit(action).path or here).func)
    except Resolver404:
        return False


def _name(request: HttpRequest) -> str:
    return (request.resolver_match and request.resolver_match.view_name) or "-"


def _words(mode: Shown) -> str:
    until = f" It is expected to end {at(mode.until)}." if mode.until else ""
    return f"Nothing was stored: ClinChat is read-only.{until} Reason: {mode.reason}"


def _wait(mode: Shown) -> int:
    left = round((mode.until - clock.now()).total_seconds()) if mode.until else 0
    return min(left, LATEST) if left > 0 else SOON


def _typed(request: HttpRequest) -> list[str]:
    """The longer texts of the form; nothing that could be a secret is shown again."""
    if request.content_type not in {"multipart/form-data", "application/x-www-form-urlencoded"}:
        return []
    return [
        value
        for name, value in request.POST.items()
        if isinstance(value, str) and len(value) >= PROSE and " " in value and "password" not in name
    ]
