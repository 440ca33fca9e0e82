"""Faults nobody handled, warnings and the interpreter's own complaints, as lines like all others."""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType

from compliance.logs.lines import Lines
from compliance.logs.state import state

_LOGGER = "clinchat.uncaught"


def serve(*, masker: bool = True) -> None:
    """This process writes its lines to standard output, also of what would end it.

    `masker=False` for one that must stay small: what would need the masker is left out of its lines.
    """
    state.serving = True
    state.masker = masker
    logging.captureWarnings(True)
    sys.excepthook = _ended
    threading.excepthook = _thread_ended
    sys.unraisablehook = _ignored


def _ended(cls: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(cls, KeyboardInterrupt):
        _write(logging.CRITICAL, "The process ends with an error", error, trace)


def _thread_ended(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        _write(logging.ERROR, "A thread ended with an error", args.exc_value, args.exc_traceback)


def _ignored(args: sys.UnraisableHookArgs) -> None:
    if args.exc_value is not None:
        _write(logging.WARNING, "An error could not be raised", args.exc_value, args.exc_traceback)


def _write(level: int, text: str, error: BaseException, trace: TracebackType | None) -> None:
    """Past the loggers, which at the end and at the beginning of a process need not be set up."""
    exc_info = (type(error), error, trace)
    Lines().handle(logging.LogRecord(_LOGGER, level, __file__, 0, text, (), exc_info))
