"""One record, one line of JSON: when, how grave, in which stream, what, and for whom."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

from compliance.logs import faults, masking
from compliance.logs.places import place
from compliance.logs.state import state

STREAMS = {"clinchat.audit": "audit", "clinchat.security": "security", "clinchat.performance": "performance"}
_OF_HIPAA = {"audit", "security"}
_LONGEST = 4000  # bytes: a pipe takes up to 4096 at once, so the lines of processes that share one do not mix


class JsonLines(logging.Formatter):
    """Every record as one line of ASCII. Never raises, never asks the database, never says what an exception said."""

    def format(self, record: logging.LogRecord) -> str:
        for frames, characters in ((12, 2000), (6, 400), (2, 60)):
            line = json.dumps(self._content(record, frames, characters), separators=(",", ":"), default=_nothing)
            if len(line) <= _LONGEST:
                break
        return line

    def _content(self, record: logging.LogRecord, frames: int, characters: int) -> dict[str, Any]:
        text, code = masking.said(record, masker=state.masker)
        stream = STREAMS.get(record.name, "app")
        content: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:23] + "Z",
            "level": record.levelname,
            "stream": stream,
            "code": code,
            "message": text[:characters],
            **_who(),
            "logger": record.name[:100],
            "process": record.process,
        }
        if stream in _OF_HIPAA or getattr(record, "compliance", None) is True:
            content["compliance"] = "HIPAA"
        if stream != "app":
            content |= getattr(record, "fields", {})
        if masking.LEFT_OUT in text or text == masking.WITHHELD:
            content["place"] = place(record.pathname, record.lineno)
        return content | _fault(record, frames)


class Lines(logging.StreamHandler[TextIO]):
    """Writes to standard output in a process that serves, else to standard error, whatever these are at the moment."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(JsonLines())

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # StreamHandler keeps the one it was made with
        return sys.stdout if state.serving else sys.stderr

    def handle(self, record: logging.LogRecord) -> bool:
        """Made before the handler is locked: making a line may load the masker, which imports and may log."""
        if not self.filter(record):
            return False
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001  # logging must not end what it speaks of
            line = '{"level":"ERROR","stream":"app","code":"LOG_LINE_LOST","message":"' + masking.WITHHELD + '"}'
        self.acquire()
        try:
            self.stream.write(line + "\n")
            self.stream.flush()
        except (OSError, ValueError, AttributeError):
            return False  # nobody listens; logging's own way out would print the record as it is
        finally:
            self.release()
        return True


class Logger(logging.Logger):
    """Takes no handler but ours, and those that do nothing."""

    def addHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802  # logging's name
        if isinstance(hdlr, Lines | logging.NullHandler):
            super().addHandler(hdlr)


class DueTasks(logging.Filter):
    """Beat says every few seconds that it has sent a task."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("Scheduler: Sending due task")


def _fault(record: logging.LogRecord, frames: int) -> dict[str, Any]:
    try:
        found: dict[str, Any] = {}
        if record.exc_info and record.exc_info[1] is not None:
            found["error"] = faults.described(record.exc_info[1], record.exc_info[2], frames=frames)
        elif isinstance(record.msg, BaseException):
            found["error"] = faults.described(record.msg, frames=frames)
        if record.stack_info:
            found["stack"] = faults.stack(record.stack_info, frames=frames)
    except Exception:  # noqa: BLE001  # a traceback that is none
        return {"error": {"type": "Exception", "frames": []}}
    return found


def _who() -> dict[str, str | None]:
    """Who acts, from the context of the audit trail, as far as it is known without asking the database."""
    who: dict[str, str | None] = {"correlation_id": None, "actor_id": None, "task_id": None}
    try:
        if audit := sys.modules.get("compliance.audit.context"):
            context = audit.current()
            who["correlation_id"] = str(context.correlation_id) if context.correlation_id else None
            who["actor_id"] = _person(context)
            who["task_id"] = str(getattr(context, "task_id", "")) or None
        if who["task_id"] is None and (celery := sys.modules.get("celery._state")):
            task = celery.get_current_task()
            who["task_id"] = str(task.request.id) if task and task.request.id else None
    except Exception:  # noqa: BLE001, S110  # still starting: nobody is known yet
        pass
    return who


def _person(context: Any) -> str | None:
    """The id of a person who was looked up already. Asking a lazy user for anything would look them up."""
    if context.actor_id:
        return str(context.actor_id)
    if columns := vars(context).get("columns"):
        return columns["actor_id"] or None
    person = context.actor
    while person is not None and hasattr(type(person), "_setup"):  # django.utils.functional.LazyObject
        person = object.__getattribute__(person, "_wrapped")
    found = vars(person).get("id") if hasattr(person, "__dict__") else None
    return str(found) if found else None


def _nothing(_value: object) -> None:
    return None
