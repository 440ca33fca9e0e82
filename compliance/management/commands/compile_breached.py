"""Compile a list of common passwords into the file that new passwords are looked up in."""

from __future__ import annotations

from argparse import ArgumentParser
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from compliance.access import breached


class Command(BaseCommand):
    help = (
        "Make the list of passwords that ClinChat refuses, from a text file with one password a line, the most common "
        "first. Kept are the first --top, and of the others those with at least --long characters."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="a text file in UTF-8")
        parser.add_argument("--top", type=int, default=100_000, help="how many from the top (default: 100000)")
        parser.add_argument(
            "--long",
            type=int,
            default=15,
            help="also keep every other password of at least this many characters (default: 15)",
        )
        parser.add_argument(
            "--output",
            type=Path,
            default=breached.FILE,
            help="where to write it (default: compliance/access/breached.bin)",
        )

    def handle(self, *args: Any, file: Path, top: int, long: int, output: Path, **options: Any) -> None:
        try:
            with file.open(encoding="utf-8") as lines:
                passwords = [line.rstrip("\r\n") for line in lines]
        except (OSError, UnicodeDecodeError):
            raise CommandError("The list cannot be read as a text file in UTF-8.") from None
        kept = {*passwords[:top], *(p for p in islice(passwords, top, None) if len(p) >= long)} - {""}
        if len(kept) < top:
            raise CommandError(f"The list has {len(kept)} passwords, not {top}. Nothing was written.")
        output.write_bytes(breached.compiled(kept))
        self.stdout.write(f"{len(kept)} passwords in {output.stat().st_size} bytes")
