"""Evaluates assertions in a process of its own: python -m compliance.continuity.drill.process

The process is this application with its settings and keys, except that the default database is the restored copy. So
no connection, cache or other state of the portal is mistaken for the copy's. Protocol: one JSON object per line on
stdin, answered by one line each: first where the copy is, then what to evaluate.

The process signs seals with a key made for it, which is in no other list of public keys: two seals with one number,
both signed by the portal's key, would look like tampering with the live trail. Its checkpoint file is a copy of the
portal's, up to the newest seal in the copy. All files lie in a private folder that is removed with the process.
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

from compliance.continuity.drill.assertions import RestoredCopy, Result
from compliance.continuity.refusals import ContinuityError

_STOP_SECONDS = 5
_live_checkpoints: list[Path] = []
"""Checkpoint files of the live audit trail."""


class ProcessEnded(ContinuityError):
    """The process exited, or wrote something else than a result."""

    def __init__(self) -> None:
        super().__init__("The process that asks the restored copy ended before it had answered.")


class AssertionProcess:
    """A process for one restored copy, which runs inside the context.

    `where`: libpq parameters of the copy. `folder`: where its private folder is created.
    """

    def __init__(self, where: Mapping[str, str], folder: Path) -> None:
        self._where, self._parent = dict(where), folder

    def __enter__(self) -> Self:
        from django.conf import settings

        from clinchat.local.supervisor import follow_parent

        self._folder = tempfile.TemporaryDirectory(prefix="asking-", dir=self._parent)  # mode 0700
        self._process = subprocess.Popen(
            [sys.executable, "-m", "compliance.continuity.drill.process"],
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
            self._call(start)
        except BaseException:  # an interrupt too: the process must not outlive the drill
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]  # a PIPE
        try:
            self._process.wait(_STOP_SECONDS)  # it exits at the end of its stdin
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def evaluate(self, copy: RestoredCopy, keys: Sequence[str] | None = None, *, database: str = "") -> list[Result]:
        """Evaluate these assertions, or default_keys, in `database` of that server. Raises ProcessEnded."""
        sent = asdict(copy) | {"as_of": copy.as_of.isoformat()}
        request = {"copy": sent, "keys": keys, "database": database or self._where["dbname"]}
        return [Result(**one) for one in self._call(request)]

    def _call(self, request: Mapping[str, Any]) -> Any:
        stdin: IO[str] = self._process.stdin  # type: ignore[assignment]  # a PIPE
        stdout: IO[str] = self._process.stdout  # type: ignore[assignment]  # a PIPE
        try:
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()
            return json.loads(stdout.readline())
        except (OSError, ValueError):
            raise ProcessEnded from None


def main() -> int:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else prints to stdout goes to stderr
    _configure(json.loads(sys.stdin.readline()))
    answers.write("true\n")
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps([asdict(one) for one in _evaluate(json.loads(line))]) + "\n")
        answers.flush()
    return 0


def _configure(start: Mapping[str, Any]) -> None:
    """Set up Django with the copy as its default database."""
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
    settings.OWNER_DATABASE_URL = ""  # no access to the live database
    settings.AUDIT_SIGNING_KEY_FILE, settings.AUDIT_PUBLIC_KEYS_FILE = _make_key_pair(
        folder, Path(start["public_keys"])
    )
    settings.AUDIT_CHECKPOINT_FILES = [str(folder / "checkpoints.jsonl")]
    settings.AUDIT_CHECKPOINT_SYSLOG = ""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}  # pages need no built static files
    django.setup()
    _live_checkpoints.extend(map(Path, start["checkpoints"]))


def _make_key_pair(folder: Path, known: Path) -> tuple[str, str]:
    """Paths of a new signing key, and of the portal's public keys with the new one appended."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private, public = folder / "signing_key", folder / "public_keys"
    private.touch(mode=0o600)
    private.write_bytes(base64.b64encode(key.private_bytes_raw()))
    public.write_bytes(known.read_bytes().rstrip() + b"\n" + base64.b64encode(key.public_key().public_bytes_raw()))
    return str(private), str(public)


def _write_checkpoints() -> None:
    """Copy the live checkpoints of seals that the copy contains. Not those of newer ones: the live trail has given
    their numbers to other seals than this process does."""
    from django.conf import settings

    from compliance.audit import checkpoints, signing
    from compliance.models import Seal

    own = signing.key_id(signing.private_key().public_key().public_bytes_raw())
    restored = Seal.objects.exclude(key_id=own).order_by("-number")
    newest = restored.values_list("number", flat=True).first() or 0
    lines: dict[str, None] = {}
    for path in _live_checkpoints:  # a line may be in several files
        with suppress(FileNotFoundError):
            lines |= {one.line: None for one in checkpoints.read(path) if one is not None and one.number <= newest}
    Path(settings.AUDIT_CHECKPOINT_FILES[0]).write_text("".join(f"{line}\n" for line in lines), encoding="ascii")


def _evaluate(request: Mapping[str, Any]) -> list[Result]:
    from django.db import connections

    from compliance.audit import lane
    from compliance.continuity.drill import assertions, no_rewind, portal_assertions  # noqa: F401  # they register

    copy = RestoredCopy(**request["copy"] | {"as_of": datetime.fromisoformat(request["copy"]["as_of"])})
    keys = request["keys"] if request["keys"] is not None else assertions.default_keys(is_backup=copy.is_backup)
    connections["default"].settings_dict["NAME"] = request["database"]
    try:
        _write_checkpoints()
        return [assertions.evaluate(key, copy) for key in keys]
    finally:
        lane.close()
        connections.close_all()


if __name__ == "__main__":
    sys.exit(main())
