"""What ends in this app when somebody's account closes: the answers that are still being written for them."""

from __future__ import annotations

from chat import services
from chat.models import Turn
from compliance.access import people
from compliance.models import User


def register() -> None:
    people.on_leaving(stop_turns)


def stop_turns(user: User) -> None:
    """Stop the person's unfinished turns, in the caller's transaction: the worker ends when it looks next."""
    for turn in Turn.objects.unfinished().filter(conversation__author=user):
        services.stop(turn=turn)
