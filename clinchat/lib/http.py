"""Request type of a view behind a door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest

if TYPE_CHECKING:
    from compliance.models import User

    class AuthedRequest(HttpRequest):
        """A request whose person is signed in with a second factor (compliance.access.door proves it)."""

        user: User  # narrows AnonymousUser away: the door has refused it
else:
    AuthedRequest = HttpRequest
