"""The learning record store, as one of the services of others."""

from __future__ import annotations

from django.conf import settings

from compliance.external_services import Failed, NotConfigured, register_service


def register() -> None:
    register_service("learning", "Learning record store (xAPI)", _learning, 12.0)


def _learning() -> str:
    from training import statements

    if not settings.XAPI_URL:
        raise NotConfigured
    try:
        return statements.reach()
    except statements.Unreachable:
        raise Failed("not reached, or it does not speak our version") from None
