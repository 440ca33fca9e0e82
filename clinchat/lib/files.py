"""Pages whose form holds files."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from clinchat.lib.http import OneFile

P = ParamSpec("P")
View = Callable[Concatenate[Any, P], HttpResponse]


def takes_files(most: int) -> Callable[[View[P]], View[P]]:
    """The view's form may hold files, of `most` bytes together. Goes under the door, which so comes first: what a
    stranger sends is not read. The forgery check reads the form, so it moves behind both.
    """

    def take(view: View[P]) -> View[P]:
        checked = csrf_protect(view)

        @csrf_exempt  # nosemgrep: csrf-exempt  # csrf_protect follows, behind the door
        @wraps(view)
        def taking(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            request.upload_handlers = [OneFile(most)]
            return checked(request, *args, **kwargs)

        return taking

    return take
