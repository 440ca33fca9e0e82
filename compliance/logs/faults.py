"""An exception as it may be logged: its kinds and places. Its words can quote what a person typed, its locals too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from compliance.logs.places import place

_CHAIN = 6
_FRAMES = 12
_STACK_LINE = re.compile(r'File "([^"\n]+)", line (\d+), in (\S+)')
# Raised by the settings, in our words, before there is anything to protect: the operator needs the variable's name.
_OURS = "django.core.exceptions.ImproperlyConfigured"


def described(error: BaseException, trace: Any = None, *, frames: int = _FRAMES) -> dict[str, Any]:
    """Type and frames (outermost first) of an exception, and of what it came from."""
    errors = list(chain(error))
    out = _one(errors[0], trace, frames)
    if len(errors) > 1:
        out["from"] = [_one(cause, None, frames) for cause in errors[1:_CHAIN]]
    return out


def words(error: BaseException) -> set[str]:
    """Every text the exception and its causes carry: what must not stand in the message beside them."""
    found: set[str] = set()
    for one in chain(error):
        found.update(_texts(one.args))
    return found


def stack(text: str, *, frames: int = _FRAMES) -> list[str]:
    """The places of a stack that was already made into text."""
    return [f"{place(file, int(line))} {name}" for file, line, name in _STACK_LINE.findall(text)[-frames:]]


def kind(error: type | BaseException) -> str:
    """The name of its class."""
    name = (error if isinstance(error, type) else type(error)).__name__
    return name if name.isidentifier() else "Exception"


def chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, the members of a group, then what was raised before it; each once."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        members = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        before = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
        waiting += [*members, *([before] if before is not None else [])]


def _one(error: BaseException, trace: Any, frames: int) -> dict[str, Any]:
    cls = type(error)
    out: dict[str, Any] = {"type": kind(error), "frames": list(_frames(trace or error.__traceback__))[-frames:]}
    if f"{cls.__module__}.{cls.__qualname__}" == _OURS and error.args and isinstance(error.args[0], str):
        out["says"] = error.args[0][:500]
    return out


def _frames(trace: Any) -> Iterator[str]:
    """Celery hands over tracebacks that only look like one."""
    while trace is not None:
        code = trace.tb_frame.f_code
        yield f"{place(code.co_filename, trace.tb_lineno)} {code.co_name}"
        trace = trace.tb_next


def _texts(values: Any) -> Iterator[str]:
    for value in values if isinstance(values, (tuple, list)) else ():
        if isinstance(value, str):
            yield value
        else:
            yield from _texts(value)
