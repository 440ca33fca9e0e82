"""What a record says, made safe to write. Fails closed: what cannot be masked is withheld.

Ids, small numbers, kinds of exceptions and the literal texts of installed code are safe by what they are. Everything
else goes through compliance.phi. An exception is never quoted: of it, and of a text that is its representation, the
name of its class is left. What the web server and Django say of a request may be an address, in which a name has none
of the words around it that the masker needs: it is left out.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple
from uuid import UUID

from compliance.logs.faults import kind, words
from compliance.logs.places import place, written_in_source

WITHHELD = "[message withheld: masking is not available]"
LEFT_OUT = "[withheld]"
_READ = 4000  # characters that are looked at
_SAID = 2000  # of them, what is written at most: an identifier cut in two at the end of the first is not shown
_SMALL = 10**6  # a larger number may be somebody's
_SHORTEST_QUOTE = 3

_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_PLACE = r"[\w./<>-]{1,100}\.py:\d{1,5}"
_ID = re.compile(rf"{_UUID}|[EA]-[0-9A-F]{{8}}|{_PLACE}(?: > {_PLACE}){{0,12}}")
_ERROR_NAME = r"[A-Z]\w{0,60}(?:Error|Exception|Exceeded|Warning|Timeout|Unavailable)"
_FAULT = re.compile(rf"(?:\w+\.)*({_ERROR_NAME})")
_REPRESENTATION = re.compile(rf"\b(?:\w+\.)*(?:({_ERROR_NAME})\(.*\)|([A-Z]\w*)\(['\"].*\))", re.DOTALL)
_TRACEBACK = "Traceback (most recent call last)"
_WARNING = re.compile(r"(?P<file>[^\n:]+):(?P<line>\d+): (?P<kind>[A-Z]\w*Warning): (?P<text>.*)", re.DOTALL)
_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,59}")
# What gunicorn and Celery say of themselves when all is well or the queue is away. Their words are not a person's, and
# without this list every process would load the masker, which takes 160 MB, to say that it has started.
_ROUTINE = frozenset(
    {
        "Starting gunicorn %s",
        "Listening at: %s (%s)",
        "Using worker: %s",
        "Booting worker with pid: %s",
        "Handling signal: %s",
        "Worker exiting (pid: %s)",
        "Worker (pid:%s) was sent %s!",
        "Worker (pid:%s) was sent %s! Perhaps out of memory?",
        "Worker (pid:%s) exited with code %s.",
        "Shutting down: %s",
        "Reason: %s",
        "Parent changed, shutting down: %s",
        "%s ready.",
        "Connected to %s",
        "pidbox: Connected to %s.",
        "Started consuming from %s",
        "consumer: Cannot connect to %s: %s.\n%s",
        "%s (%r)",  # the same, of a connection that was lost
        "beat: Connection error: %s. Trying again in %s seconds...",
        "Task %(name)s[%(id)s] %(description)s: %(exc)s",
    }
)
_OF_REQUESTS = frozenset({"gunicorn", "django"})
_busy: ContextVar[bool] = ContextVar("masking a line", default=False)  # goes along to the thread that masks


class Said(NamedTuple):
    """`code` names what kind of line it is: a marker, or made from the literal text."""

    text: str
    code: str


class _Bare(str):
    """Reads the same in %s and %r."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def said(record: logging.LogRecord, *, masker: bool = True) -> Said:
    """Never raises. Without `masker` (a process too small for it) what would need it is left out."""
    try:
        return _said(record, masker)
    except Exception:  # noqa: BLE001  # whatever failed, the answer is the same and must not quote the text
        return Said(WITHHELD, _code_of_logger(record))


def _said(record: logging.LogRecord, masker: bool) -> Said:
    if isinstance(record.msg, BaseException):
        return Said(kind(record.msg), _given_code(record) or _code_of_logger(record))
    template, given = str(record.msg), record.args
    literal = isinstance(record.msg, str) and written_in_source(record.msg)
    routine = template.strip() in _ROUTINE and record.name.partition(".")[0] in {"celery", "gunicorn"}
    code = _given_code(record) or (_slug(template) if literal or routine else "") or _code_of_logger(record)
    if record.name == "py.warnings" and (warning := _WARNING.fullmatch(template)):
        template, literal = "%s at %s: %s", True
        given = (warning["kind"], place(warning["file"], int(warning["line"])), warning["text"].strip())
    of_requests = record.name.partition(".")[0] in _OF_REQUESTS
    values = _Values(routine=routine, leave_out=of_requests)
    args = values.taken(given)
    if (literal or routine) and (of_requests or not values.doubtful):
        return Said(_fill(template, args)[:_SAID], code)
    if of_requests:
        return Said(LEFT_OUT, code)
    try:
        if not masker:
            raise LookupError
        text = _fill(template, args)
        return Said(_masked(_unquoted(text, record), values.ids)[:_SAID], code)
    except Exception:  # noqa: BLE001  # see above
        if not (literal or routine):
            return Said(WITHHELD, code)
        return Said(_fill(template, _Values(routine=routine, leave_out=True).taken(given))[:_SAID], code)


def _fill(template: str, args: Any) -> str:
    text: str = template % args if args else template
    return text


class _Values:
    """The arguments of a record, reduced to what may be said of them. `doubtful` when some need the masker."""

    def __init__(self, *, routine: bool, leave_out: bool = False) -> None:
        self.doubtful = False
        self.ids: set[str] = set()
        self._routine = routine
        self._leave_out = leave_out

    def taken(self, args: Any) -> Any:
        if isinstance(args, Mapping):
            return {key: self._exception(value) if key == "exc" else self._value(value) for key, value in args.items()}
        return tuple(self._value(arg) for arg in args or ())

    def _value(self, value: Any) -> Any:
        if value is None or isinstance(value, (bool, float)):
            return value
        if isinstance(value, UUID):
            self.ids.add(str(value))
            return value
        if isinstance(value, BaseException) or (isinstance(value, type) and issubclass(value, BaseException)):
            return _Bare(kind(value))
        if type(value) is int and (abs(value) < _SMALL or self._routine):
            return value
        if isinstance(value, str):
            return self._text(str(value))
        return self._doubt(value if type(value) is int else self._contents(value))

    def _exception(self, value: object) -> Any:
        """Celery has made it into its representation already."""
        name = re.match(r"(?:\w+\.)*([A-Z]\w*)\(", str(value))
        return self._text(name[1]) if name else LEFT_OUT

    def _text(self, text: str) -> Any:
        if _TRACEBACK in text:
            return LEFT_OUT
        text = _REPRESENTATION.sub(r"\1\2", text)
        if _FAULT.fullmatch(text) or self._routine:
            return text
        if _ID.fullmatch(text):
            self.ids.add(text)
            return text
        return self._doubt(text)

    def _contents(self, value: Any) -> Any:
        """A list of exceptions says no more than an exception."""
        if isinstance(value, Mapping):
            return {key: self._value(one) for key, one in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._value(one) for one in value]
        return _Bare(self._text(str(value)))

    def _doubt(self, value: Any) -> Any:
        self.doubtful = True
        return _Bare(LEFT_OUT) if self._leave_out else value


def _unquoted(text: str, record: logging.LogRecord) -> str:
    """The text without what the exceptions beside it say, and without representations of others."""
    if _TRACEBACK in text:
        return LEFT_OUT
    error = record.exc_info[1] if record.exc_info else record.msg
    if isinstance(error, BaseException):
        for quote in sorted(words(error), key=len, reverse=True):
            if len(quote) >= _SHORTEST_QUOTE:
                text = text.replace(quote, LEFT_OUT)
    return _REPRESENTATION.sub(r"\1\2", text)


def _masked(text: str, ids: set[str]) -> str:
    """Raises when masking cannot be done, also when the masker itself has something to say."""
    if _busy.get():
        raise RecursionError
    mark = _busy.set(True)
    try:
        from compliance import phi

        text = text[:_READ]
        spans = phi.find(text)
    finally:
        _busy.reset(mark)
    kept = bytearray(len(text))
    for one in ids:
        for match in re.finditer(re.escape(one), text):
            kept[match.start() : match.end()] = b"\1" * len(one)
    out, at = [], 0
    for span in spans:
        if not all(kept[span.start : span.end]):
            out += [text[at : span.start], f"[{span.label}]"]
            at = span.end
    return "".join([*out, text[at:]])


def _given_code(record: logging.LogRecord) -> str:
    code = getattr(record, "code", "")
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def _slug(template: str) -> str:
    """`turn %s not queued: %s` is TURN_NOT_QUEUED."""
    bare = re.sub(r"%(?:\(\w+\))?[-#0 +.\d]*[a-zA-Z]", " ", template)
    return "_".join(re.findall(r"[A-Za-z]{2,}", bare)[:5]).upper()[:60]


def _code_of_logger(record: logging.LogRecord) -> str:
    return re.sub(r"\W+", "_", record.name).upper()[:60]
