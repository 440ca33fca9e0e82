"""Take the training's files into the database."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from training import loading
from training.loading import Content, ContentWrong

MOST_SHOWN = 40


class Command(BaseCommand):
    help = (
        "Take modules, questions and policies from their files into the database. What is loaded already stays as it "
        "is, so that it can be run again; a changed file needs a new version in it. People who passed an earlier "
        "version of what changed in substance are told to catch up within 30 days. When a file is wrong, its name and "
        "line are printed and nothing is changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "folder",
            nargs="?",
            default=settings.TRAINING_CONTENT,
            help="folder with modules/ and policies/ (default: CLINCHAT_TRAINING_CONTENT, or the starter set)",
        )
        parser.add_argument("--check", action="store_true", help="only say whether the files could be loaded")
        parser.add_argument("--json", action="store_true", help="with --check: print JSON")

    def handle(self, *args: Any, folder: str, check: bool, json: bool, **options: Any) -> None:
        path = Path(folder)
        if not path.is_dir():
            raise CommandError(f"There is no folder {folder}.")
        try:
            if check:
                self._checked(loading.read(path), as_json=json)
            else:
                self._loaded(path)
        except ContentWrong as wrong:
            if json:
                self.stdout.write(self._as_json({"problems": [vars(problem) for problem in wrong.problems]}))
            lines = [str(problem) for problem in wrong.problems[:MOST_SHOWN]]
            more = len(wrong.problems) - len(lines)
            lines += [f"and {more} more"] if more > 0 else []
            raise CommandError("\n".join([*lines, "Nothing was changed."])) from None

    def _loaded(self, path: Path) -> None:
        done = loading.load(path)
        if not done.new:
            self.stdout.write(f"Training is up to date ({done.unchanged} modules and policies).")
            return
        self.stdout.write(f"Training loaded: {', '.join(done.new)}.")
        if done.affected:
            self.stdout.write(f"{done.affected} times somebody has to catch up; they were told.")

    def _checked(self, content: Content, *, as_json: bool) -> None:
        kinds: dict[str, int] = {}
        for module in content.modules:
            for item in module.items:
                kinds[item.kind] = kinds.get(item.kind, 0) + 1
        found = {
            "modules": len(content.modules),
            "lessons": sum(len(module.lessons) for module in content.modules),
            "objectives": sum(len(module.objectives) for module in content.modules),
            "items": sum(len(module.items) for module in content.modules),
            "cases": sum(bool(item.case) for module in content.modules for item in module.items),
            "kinds": kinds,
            "policies": len(content.policies),
            "problems": [],
        }
        if as_json:
            self.stdout.write(self._as_json(found))
            return
        words = [f"{found[name]} {name}" for name in ("modules", "lessons", "items", "policies")]
        self.stdout.write(f"The files can be loaded: {', '.join(words)}.")

    def _as_json(self, found: dict[str, Any]) -> str:
        return json.dumps(found, ensure_ascii=False)
