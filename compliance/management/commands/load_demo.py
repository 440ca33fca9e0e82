"""Create the demo people."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from compliance import demo

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without letters and digits that look alike


class Command(BaseCommand):
    help = (
        "Create the demo people with their roles, second factors, recovery codes, training and approvals. Safe to "
        "repeat. "
        "Refused unless CLINCHAT_DEMO is on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--show", action="store_true", help="print how to sign in as each of them")

    def handle(self, *args: Any, show: bool, **options: Any) -> None:
        if not settings.CLINCHAT_DEMO:
            raise CommandError("This is not a demo installation: CLINCHAT_DEMO is off.")
        password = demo_password(Path(settings.VAR) / "keys" / "demo_password")
        with transaction.atomic():
            people = {}
            for person in demo.CAST.values():
                demo.wake(person)
                try:
                    people[person.key] = demo.ensure(person, password=password, clear=False)
                except demo.NotADemoAccount:
                    raise CommandError(f"{person.email} is a real person's account. Nothing was changed.") from None
            demo.furnish({key: user for key, user in people.items() if user.is_active})
        if show:
            self.stdout.write(sign_in_table(password))


def demo_password(path: Path) -> str:
    """The password all demo people share, made on first use and readable by this user alone."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        password = "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(password + "\n", encoding="utf-8")
        return password


def sign_in_table(password: str) -> str:
    people = demo.CAST.values()
    width = max(len(person.email) for person in people)
    lines = [f"  {person.email:<{width}}  {person.name}, {person.who}" for person in people]
    return "\n".join(
        [
            "Demo people",
            *lines,
            f"Password of all: {password}",
            f"Code:            .venv/bin/python manage.py demo_code {demo.CAST['alice'].email}",
        ]
    )
