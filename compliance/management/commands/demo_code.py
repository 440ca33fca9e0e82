"""Print the sign-in code of a demo account, in place of an authenticator app."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from math import ceil
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from compliance import demo


class Command(BaseCommand):
    help = (
        "Print the current sign-in code of a demo account and how long it is good. A code works once: when the "
        "current one was used, this waits for the next. Refused for real accounts and unless CLINCHAT_DEMO is on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="for example alice@clinchat.example")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        if not settings.CLINCHAT_DEMO:
            raise CommandError("This is not a demo installation: CLINCHAT_DEMO is off.")
        try:
            if wait := demo.wait_for_new_code(email):
                self.stderr.write(f"The current code was used. The next one comes in {ceil(wait)} seconds.")
                time.sleep(wait)
            code = demo.current_code(email)
        except demo.NotADemoAccount:
            raise CommandError("That is not a demo account. manage.py load_demo --show lists them.") from None
        self.stdout.write(f"{code.digits}  ({code.seconds_left} seconds left)")
