"""Every view stands behind a door or says why it needs none; SecondFactor and the URL guard read that."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from clinchat.lib.http import AuthedRequest
from compliance import audit
from compliance.access.decisions import require
from compliance.access.roles import PURPOSES, Action

P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)
View = TypeVar("View", bound=Callable[..., Any])


def door(
    action: Action,
) -> Callable[[Callable[Concatenate[AuthedRequest, P], R]], Callable[Concatenate[HttpRequest, P], R]]:
    """The view runs only for a person who may do `action`; anyone else gets 403, on record."""

    def close(view: Callable[Concatenate[AuthedRequest, P], R]) -> Callable[Concatenate[HttpRequest, P], R]:
        @wraps(view)
        def behind_door(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> R:
            with audit.bind(purpose=PURPOSES.get(action, "")):
                require(request.user, action)
                return view(cast("AuthedRequest", request), *args, **kwargs)

        vars(behind_door)["access_action"] = action
        return behind_door

    return close


def public(reason: str) -> Callable[[View], View]:
    """The view is open to people who are not signed in, and `reason` says why that is right."""

    def open_up(view: View) -> View:
        vars(view)["access_public"] = reason
        return view

    return open_up


def works_read_only(reason: str) -> Callable[[View], View]:
    """The view takes what is sent to it while ClinChat is read-only too, and `reason` says why that is right."""

    def keep_open(view: View) -> View:
        vars(view)["works_read_only"] = reason
        return view

    return keep_open
