"""Turns in the states a test needs, made through the services."""

from __future__ import annotations

import uuid

from chat import services
from chat.models import Conversation, Turn
from chat.pipeline.run import run
from compliance.models import User
from tests.processes import until

QUESTION = "Can I give trimethoprim-sulfamethoxazole to a patient on warfarin?"


def make_turn(*, author: User, text: str = QUESTION, conversation: Conversation | None = None) -> Turn:
    """A queued turn; the caller's transaction never commits, so no worker hears of it."""
    return services.ask(author=author, text=text, submission=uuid.uuid4(), conversation=conversation)


def answered(*, author: User, text: str = QUESTION, conversation: Conversation | None = None) -> Turn:
    """A turn that has been through the pipeline: here, or with a worker that was quicker."""
    turn = make_turn(author=author, text=text, conversation=conversation)
    run(turn.pk, publish=lambda _event, _data: None)
    until(lambda: not Turn.objects.filter(pk=turn.pk, status__in=Turn.UNFINISHED).exists(), "it is not answered")
    turn.refresh_from_db()
    return turn
