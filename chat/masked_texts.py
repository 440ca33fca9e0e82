"""Where this app keeps masked text, and how a check may ask a question that nobody asked."""

from __future__ import annotations

import uuid

from chat import services
from chat.models import Conversation, Feedback, Turn
from compliance import masked_texts
from compliance.models import User


def register() -> None:
    masked_texts.register("question", Turn, "question")
    masked_texts.register("title", Conversation, "title")
    masked_texts.register("comment", Feedback, "comment")
    masked_texts.on_trial("question and comment", ask_and_rate)


def ask_and_rate(text: str) -> None:
    """As somebody who is made for it; in a transaction that the caller undoes, so no worker ever hears of it."""
    author = User.objects.create_user(email=f"{uuid.uuid4().hex}@check.invalid", name="Check of masking")
    turn = services.ask(author=author, text=text, submission=uuid.uuid4())
    services.rate(turn=turn, helpful=False, comment=text)
