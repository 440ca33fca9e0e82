"""What "nothing opens" means, for the suites that try to get around the second factor."""

from __future__ import annotations

import uuid
from typing import Any

from django.test import Client
from django.urls import reverse

from chat.models import Conversation, Turn
from clinchat.lib import clock
from compliance.models import User
from tests import cast

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


def make_conversation(author: User) -> Conversation:
    """With an answered question, so that its page and its stream have something to give away."""
    made = Conversation.objects.create(author=author, title="Held warfarin")
    Turn.objects.create(
        conversation=made,
        number=1,
        submission=uuid.uuid4(),
        question="Held warfarin",
        status=Turn.Status.ABSTAINED,
        deadline_at=clock.now(),
        finished_at=clock.now(),
    )
    return made


def addresses(conversation: Conversation | None = None) -> list[str]:
    """One of every kind of thing that needs both factors: pages, forms, stream, picture, admin, API, schema."""
    found = [
        reverse(name)
        for name in (
            "settings",
            "settings-sessions",
            "settings-app-add",
            "settings-app-qr",
            "ask",
            "library",
            "audit",
            "audit-export",
            "people",
            "sessions",
            "matrix",
            "emergency",
            "admin:index",
            "admin:compliance_user_changelist",
            "admin:compliance_user_add",
            "api-verify",
            "api-schema",
            "api-block-ip",
            "api-revoke-all-sessions",
            "metrics",
        )
    ]
    if conversation is not None:
        turn = conversation.turns.get()
        found += [conversation.get_absolute_url(), reverse("answer-events", args=[turn.pk])]
    return found


def is_refusal(answer: Any) -> bool:
    """Sent to sign in, or told by the API to: nothing was shown."""
    if answer.status_code == 302:
        return str(answer["Location"]).split("?")[0] == reverse("signin")
    return bool(answer.status_code == 401 and answer["Content-Type"] == "application/problem+json")


def opened(
    client: Client, *, only: list[str] | None = None, method: str = "GET", headers: dict[str, str] | None = None
) -> list[str]:
    """The addresses that did not refuse. The test says there are none."""
    tried = addresses() if only is None else only
    return [one for one in tried if not is_refusal(client.generic(method, one, headers=headers))]


def give_password(client: Client, user: User, **more: str) -> Any:
    return client.post(reverse("signin"), {"email": user.email, "password": cast.PASSWORD} | more)


def walk_in(client: Client, user: User) -> Client:
    """Sign in by the pages, with both factors."""
    give_password(client, user)
    answer = client.post(reverse("signin-code"), {"code": cast.code_of(user)})
    assert answer.status_code == 302, "the way in itself does not work"
    assert client.get(reverse("settings")).status_code == 200
    return client


def copy_of(client: Client) -> Client:
    """Another browser with the same cookies, as a thief has them."""
    other = Client()
    for name, cookie in client.cookies.items():
        other.cookies[name] = cookie.value
    return other
