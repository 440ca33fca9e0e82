"""Django's admin behind our own door: signed in here with a second factor, and allowed to administer."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, TypeVar, cast

from csp.decorators import csp
from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.decorators import method_decorator

from compliance.access import Action, allows, door

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


class ClinChatAdminSite(AdminSite):
    site_header = site_title = "ClinChat admin"
    index_title = "Records"
    site_url = "/"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        return allows(request.user, Action.ADMINISTER)

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Every page of the admin: our door, then Django's checks, under the admin's content policy."""
        guarded = door(Action.ADMINISTER)(super().admin_view(view, cacheable))
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
