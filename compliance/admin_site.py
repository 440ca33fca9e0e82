"""Django's admin behind our own door: signed in here with a second factor, and allowed to administer."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import update_wrapper, wraps
from typing import Any, TypeVar, cast

from csp.decorators import csp
from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.decorators import method_decorator

from compliance.access import Action, allows, door
from compliance.controls import catalogue

ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]{1,19}")
View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def _of_ids(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Only ids name a record. Django would repeat anything else in a message, which the browser keeps in a cookie."""

    @wraps(view)
    def checked(request: HttpRequest, /, *args: Any, **kwargs: Any) -> HttpResponseBase:
        named = kwargs.get("object_id", "0")
        if not ID.fullmatch(named) and not _of_the_catalogue(named):
            raise Http404
        return view(request, *args, **kwargs)

    return checked


def _of_the_catalogue(named: str) -> bool:
    """Owners and schedules have the id of their control and the key of their check, which are words of the code."""
    known = catalogue.current()
    return named in known.by_id or named in known.checks


class ClinChatAdminSite(AdminSite):
    site_header = site_title = "ClinChat admin"
    index_title = "Records"
    site_url = "/"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        return allows(request.user, Action.ADMINISTER)

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Every page of the admin: our door, then Django's checks, under the admin's content policy."""
        guarded = door(Action.ADMINISTER)(_of_ids(super().admin_view(view, cacheable)))
        with_policy = csp(settings.CONTENT_SECURITY_POLICY_ADMIN["DIRECTIVES"])(guarded)
        return cast("View", update_wrapper(with_policy, view))

    @method_decorator(door(Action.ADMINISTER))
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """There is one place to sign in, and whoever passes the door has used it."""
        return redirect("admin:index")

    def get_urls(self) -> list[Any]:
        """Passwords and sessions are not handled here: those pages would lead around the second factor."""
        left_out = {"logout", "password_change", "password_change_done"}
        return [pattern for pattern in super().get_urls() if getattr(pattern, "name", "") not in left_out]
