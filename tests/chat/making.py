"""Turns in the states a test needs, made through the services."""

from __future__ import annotations

import uuid

from chat import services
from chat.models import Conversation, Turn
from chat.pipeline.run import run
from compliance.models import User

QUESTION = "Can I give trimethoprim-sulfamethoxazole to a patient on warfarin?"


def make_turn(*, author: User, text: str = QUESTION, conversation: Conversation | None = None) -> Turn:
    """A queued turn; the caller's transaction never commits, so no worker hears of it."""
    return services.ask(author=author, text=text, submission=uuid.uuid4(), conversation=conversation)


def answered(*, author: User, text: str = QUESTION, conversation: Conversation | None = None) -> Turn:
    """A turn that has been through the pipeline."""
    turn = make_turn(author=author, text=text, conversation=conversation)
    run(turn.pk, publish=lambda _event, _data: None)
    turn.refresh_from_db()
    return turn
