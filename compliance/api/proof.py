"""When whoever calls showed both factors, through a token or a session, for what takes that within ten minutes."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Final

from rest_framework.request import Request

from compliance.access import sessions, tokens
from compliance.api.bearer import bearer_of
from compliance.api.problems import Refused

AGAIN: Final = "This needs both factors shown within the last ten minutes. Sign in again, then repeat it."


def proved_at(request: Request) -> datetime | None:
    """When both factors were last shown: of a token when its sign-in began. None for a program, which shows none."""
    bearer = bearer_of(request._request)  # noqa: SLF001  # documented by DRF
    if isinstance(bearer, tokens.Bearer):
        return bearer.family.created_at if bearer.family else None
    return sessions.proved_at(request._request)  # noqa: SLF001  # documented by DRF


def require_fresh(request: Request) -> datetime:
    """When both factors were shown, if that was within ten minutes, as the pages ask for.

    Raises Refused with the challenge RFC 9470 has for it.
    """
    proved = proved_at(request)
    if proved is not None and sessions.is_fresh(proved):
        return proved
    challenge = f'error="insufficient_user_authentication", max_age="{sessions.PROOF_SECONDS}"'
    raise Refused(HTTPStatus.UNAUTHORIZED, AGAIN, challenge=challenge)
