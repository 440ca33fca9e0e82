"""Asks a restored copy, in a process of its own: python -m compliance.continuity.drill.asking

The process is the application as it is here, keys and all, but for the database, which is the copy. So no connection,
no cache and nothing that this process has learned is taken for the copy's. It reads one JSON object a line and answers
each with one: first where the copy is, then what to ask.

What the trail of the copy goes on with is signed by a key that is made for this and that nobody else believes: two
seals of one number, both by the key of the portal, would be proof of a tampering that never was. Its checkpoints are a
copy of ours, up to the newest seal of the copy. All of it lies in a private folder, which goes with the process.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Self

from compliance.continuity.drill.questions import Answer, Copy
from compliance.continuity.refusals import ContinuityError

_SECONDS_TO_END = 5
_ours: list[Path] = []
"""The checkpoints of the live trail."""


class NotAnswered(ContinuityError):
    def __init__(self) -> None:
        super().__init__("The process that asks the restored copy ended before it had answered.")


class Asker:
    """A process that asks one copy, for as long as the context lasts.

    `where` is the copy as libpq names things, `folder` one that goes with it.
    """

    def __init__(self, where: Mapping[str, str], folder: Path) -> None:
        self._where, self._inside = dict(where), folder

    def __enter__(self) -> Self:
        from django.conf import settings

        from clinchat.local.supervisor import follow_parent

        self._folder = tempfile.TemporaryDirectory(prefix="asking-", dir=self._inside)  # closed to others
        self._process = subprocess.Popen(
            [sys.executable, "-m", "compliance.continuity.drill.asking"],
            cwd=settings.BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=follow_parent(),  # noqa: PLW1509  # it calls nothing that takes a lock
        )
        start = {
            "where": self._where,
            "folder": self._folder.name,
            "checkpoints": list(settings.AUDIT_CHECKPOINT_FILES),
            "public_keys": settings.AUDIT_PUBLIC_KEYS_FILE,
        }
        try:
            self._say(start)
        except BaseException:  # also what breaks the drill off: the process must not outlive it
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]  # asked for above
        try:
            self._process.wait(_SECONDS_TO_END)  # it ends when nothing more can be asked
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def ask(self, copy: Copy, keys: Sequence[str] | None = None, *, database: str = "") -> list[Answer]:
        """Every question, or those of these keys, in another database of the server if told. Raises NotAnswered."""
        told = asdict(copy) | {"before": copy.before.isoformat()}
        asked = {"copy": told, "keys": keys, "database": database or self._where["dbname"]}
        return [Answer(**one) for one in self._say(asked)]

    def _say(self, said: Mapping[str, Any]) -> Any:
        entry: IO[str] = self._process.stdin  # type: ignore[assignment]  # asked for above
        answers: IO[str] = self._process.stdout  # type: ignore[assignment]  # as above
        try:
            entry.write(json.dumps(said) + "\n")
            entry.flush()
            return json.loads(answers.readline())
        except (OSError, ValueError):
            raise NotAnswered from None


def main() -> int:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed is no answer
    _begin(json.loads(sys.stdin.readline()))
    answers.write("true\n")
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps([asdict(one) for one in _asked(json.loads(line))]) + "\n")
        answers.flush()
    return 0


def _begin(start: Mapping[str, Any]) -> None:
    """The application, with the copy for its database."""
    import django
    from django.conf import settings

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinchat.settings")
    folder, where = Path(start["folder"]), start["where"]
    settings.DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": where["dbname"],
            "USER": where.get("user", ""),
            "PASSWORD": where.get("password", ""),
            "HOST": where.get("host", ""),
            "PORT": where.get("port", ""),
            "OPTIONS": {"connect_timeout": 5},
        }
    }
    settings.OWNER_DATABASE_URL = ""  # there is no way from here to the live one
    settings.AUDIT_SIGNING_KEY_FILE, settings.AUDIT_PUBLIC_KEYS_FILE = _keys(folder, Path(start["public_keys"]))
    settings.AUDIT_CHECKPOINT_FILES = [str(folder / "checkpoints.jsonl")]
    settings.AUDIT_CHECKPOINT_SYSLOG = ""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}  # how pages look is not asked
    django.setup()
    _ours.extend(map(Path, start["checkpoints"]))


def _keys(folder: Path, known: Path) -> tuple[str, str]:
    """The files of a key pair made for this, the public half behind those that are believed."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private, public = folder / "signing_key", folder / "public_keys"
    private.touch(mode=0o600)
    private.write_bytes(base64.b64encode(key.private_bytes_raw()))
    public.write_bytes(known.read_bytes().rstrip() + b"\n" + base64.b64encode(key.public_key().public_bytes_raw()))
    return str(private), str(public)


def _checkpoints() -> None:
    """What our checkpoints say of the seals that the copy brought along. The numbers of those that were made in it the
    live trail has given to others meanwhile."""
    from django.conf import settings

    from compliance.audit import checkpoints, signing
    from compliance.models import Seal

    own = signing.key_id(signing.private_key().public_key().public_bytes_raw())
    brought = Seal.objects.exclude(key_id=own).order_by("-number")
    newest = brought.values_list("number", flat=True).first() or 0
    lines: dict[str, None] = {}
    for path in _ours:
        with suppress(FileNotFoundError):
            lines |= {one.line: None for one in checkpoints.read(path) if one is not None and one.number <= newest}
    Path(settings.AUDIT_CHECKPOINT_FILES[0]).write_text("".join(f"{line}\n" for line in lines), encoding="ascii")


def _asked(said: Mapping[str, Any]) -> list[Answer]:
    from django.db import connections

    from compliance.audit import lane
    from compliance.continuity.drill import own_questions, questions, rewinding  # noqa: F401  # they register

    copy = Copy(**said["copy"] | {"before": datetime.fromisoformat(said["copy"]["before"])})
    wanted = said["keys"] if said["keys"] is not None else questions.keys(whole=copy.whole)
    connections["default"].settings_dict["NAME"] = said["database"]
    try:
        _checkpoints()
        return [questions.ask(key, copy) for key in wanted]
    finally:
        lane.close()
        connections.close_all()


if __name__ == "__main__":
    sys.exit(main())
