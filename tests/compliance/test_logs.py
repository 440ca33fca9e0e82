"""Every line is JSON with its fields, and nobody's identifiers are in it, however they came there."""

from __future__ import annotations

import ast
import inspect
import json
import logging
import re
import sys
import uuid
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import SimpleLazyObject

from compliance import audit, logs, phi
from compliance.logs import masking
from compliance.logs.lines import Lines
from compliance.logs.state import state
from compliance.models import User
from tests.compliance.identifiers import Seed, seeds

ROOT = Path(__file__).parents[2]
SEEDS = seeds(240)
TURN = uuid.UUID("0199d0c2-7c1e-7a44-9f0e-1d2c3b4a5f60")
CONNECTION_ERROR = import_module("celery.worker.consumer.consumer").CONNECTION_ERROR
logger = logging.getLogger("chat.of_the_tests")

Written = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Written:
    """The lines since the last call, read as JSON; anything else on either stream fails."""

    def read() -> list[dict[str, Any]]:
        out, err = capsys.readouterr()
        assert out == "", "this process does not serve"
        return [json.loads(line) for line in err.splitlines()]

    return read


@pytest.fixture
def no_masker(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str) -> None:
        raise phi.PhiUnavailable

    monkeypatch.setattr(phi, "find", broken)


def from_our_code(template: str, *args: object, **options: Any) -> None:
    """Log it as a module of the product would: the literal stands in a function of its file."""
    source = f"def say(logger, *args, **options):\n    logger.warning({template!r}, *args, **options)\n"
    names: dict[str, Any] = {}
    exec(compile(source, str(ROOT / "chat/services.py"), "exec"), names)
    names["say"](logger, *args, **options)


# ── The line ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_ours_is_the_only_handler_there_is() -> None:
    loggers = [logging.getLogger(name) for name in list(logging.root.manager.loggerDict)]
    ours = [type(handler) for handler in logging.root.handlers if type(handler).__module__.startswith("compliance.")]
    assert ours == [Lines]
    installed = {
        f"{one.name}: {handler!r}"
        for one in loggers
        for handler in one.handlers
        if not isinstance(handler, logging.NullHandler) and "pytest" not in type(handler).__module__
        if one.name != "pyasn1"  # tests of other modules load it; compliance.directory.ldap clears what it installs
    }
    assert installed == set()


def test_a_line_has_all_its_fields(written: Written) -> None:
    person = User(id=uuid.uuid4())
    correlation = uuid.uuid4()
    with audit.bind(actor=person, correlation_id=correlation):
        from_our_code("turn %s not queued: %s", TURN, "OperationalError")
    (line,) = written()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert isinstance(line.pop("process"), int)
    assert line == {
        "level": "WARNING",
        "stream": "app",
        "code": "TURN_NOT_QUEUED",
        "message": f"turn {TURN} not queued: OperationalError",
        "correlation_id": str(correlation),
        "actor_id": str(person.pk),
        "task_id": None,
        "logger": "chat.of_the_tests",
    }


def test_a_person_nobody_looked_up_is_not_looked_up_for_a_line(written: Written) -> None:
    known = User(id=uuid.uuid4())
    lazy: Any = SimpleLazyObject(lambda: pytest.fail("asked the database"))
    with audit.bind(actor=lazy):
        logger.info("one")
    resolved: Any = SimpleLazyObject(lambda: known)
    assert resolved.pk
    with audit.bind(actor=resolved):
        logger.info("two")
    assert [line["actor_id"] for line in written()] == [None, str(known.pk)]


def test_nothing_typed_makes_a_second_line_or_a_long_one(written: Written) -> None:
    logger.info("%s", 'x\n{"level":"INFO","code":"AUTH_FAILED"}\u2028\x85')
    logger.info("%s", "é\U0001f600 " * 3000)
    try:
        deep(200)
    except RecursionError as error:
        logger.error("too deep", exc_info=error)
    lines = written()
    assert len(lines) == 3
    assert max(len(json.dumps(line)) for line in lines) < 4096


def deep(level: int) -> None:
    if not level:
        raise RecursionError
    deep(level - 1)


def test_a_code_is_a_marker_or_made_from_what_the_programmer_wrote(written: Written) -> None:
    from_our_code("event of turn %s not sent: %s", TURN, "ConnectionError")
    from_our_code("%(what)s was sealed", {"what": 5})
    from_our_code("x", extra={"code": "DATABASE_LOST"})
    from_our_code("x", extra={"code": "Maria Lopez"})
    logger.warning(f"not of our {'code'}")  # noqa: G004
    codes = [line["code"] for line in written()]
    assert codes == ["EVENT_OF_TURN_NOT_SENT", "WAS_SEALED", "DATABASE_LOST", "CHAT_OF_THE_TESTS", "CHAT_OF_THE_TESTS"]


@pytest.mark.parametrize("level", ["INFO", "ERROR", "CRITICAL"])
def test_markers_are_written_at_every_level(level: str) -> None:
    given = logs.configuration(level=level)
    assert given["root"]["level"] == level
    assert {given["loggers"][f"clinchat.{name}"]["level"] for name in ("audit", "security", "performance")} == {"INFO"}


# ── What must not be in it ─────────────────────────────────────────────────────────────────────────────────────


def failure(seed: Seed, cls: type[Exception] = ValueError) -> Exception:
    """An exception with a traceback, which says it."""
    patient = seed.value  # a local
    try:
        raise cls(f"no such row: {seed.phrase}", {"detail": [patient]})
    except cls as error:
        return error


def chained(seed: Seed) -> Exception:
    try:
        try:
            raise failure(seed)
        except ValueError as error:
            raise RuntimeError(seed.phrase) from error
    except RuntimeError as error:
        return error


def task_failed(seed: Seed) -> None:
    """As celery.app.trace does it."""
    from celery.app import trace

    context = {
        "hostname": "answers@host",
        "id": str(TURN),
        "name": "chat.tasks.answer_turn",
        "exc": repr(Unusual([seed.phrase])),
        "traceback": f"Traceback (most recent call last):\n  {seed.phrase}",
        "args": repr((seed.phrase,)),
        "kwargs": repr({"text": seed.phrase}),
        "description": "raised unexpected",
        "internal": False,
    }
    where = logging.getLogger("celery.app.trace")
    where.error(trace.LOG_FAILURE.strip(), context, exc_info=chained(seed), extra={"data": context})


def connection_failed(seed: Seed) -> None:
    """A line that is written without the masker."""
    why = (failure(seed), f"Traceback (most recent call last):\n  {seed.phrase}")
    logging.getLogger("celery.worker.consumer.consumer").error(CONNECTION_ERROR, "redis://redis:6379/0", *why)


def task_described(seed: Seed) -> None:
    context = {"id": str(TURN), "args": repr((seed.phrase,)), "kwargs": repr({"text": seed.phrase})}
    logging.getLogger("celery.app.trace").warning("Task %(id)s with %(args)s and %(kwargs)s", context)


def handed_over(message: str, **attributes: object) -> None:
    """As another library's handler may have left it; pytest's own handler would not take it."""
    record = logging.LogRecord(logger.name, logging.ERROR, __file__, 1, message, (), None)
    vars(record).update(attributes)
    logging.root.handlers[0].handle(record)


class Unusual(Exception):
    """A name that does not end in Error."""


WAYS: dict[str, Callable[[Seed], None]] = {
    "message": lambda seed: logger.info(seed.phrase),
    "argument": lambda seed: logger.info("it was: %s", seed.phrase),
    "named argument": lambda seed: logger.info("it was: %(text)s", {"text": seed.phrase}),
    "repr": lambda seed: logger.info("it was: %r", seed.phrase),
    "inside a list": lambda seed: logger.info("they were: %s", [seed.phrase, {"and": seed.phrase}]),
    "exception beside": lambda seed: logger.error("it broke", exc_info=failure(seed)),
    "exception as message": lambda seed: logger.error(failure(seed)),
    "exception as argument": lambda seed: logger.error("it broke: %s, %r", failure(seed), failure(seed)),
    "exceptions in a list": lambda seed: logger.error("they broke: %s", [failure(seed, Unusual)]),
    "what an exception said": lambda seed: logger.error("it broke: %s", failure(seed).args[0], exc_info=failure(seed)),
    "representation": lambda seed: logger.error("it broke: %s", repr(failure(seed, Unusual))),
    "formatted traceback": lambda seed: logger.error("%s", f"Traceback (most recent call last):\n  {seed.phrase}"),
    "chained": lambda seed: logger.error("it broke", exc_info=chained(seed)),
    "group": lambda seed: logger.error("it broke", exc_info=ExceptionGroup(seed.phrase, [failure(seed)])),
    "stack": lambda seed: handed_over("it broke", exc_text=seed.phrase, stack_info=f"Stack (most\n  {seed.phrase}"),
    "extra": lambda seed: logger.error("it broke", extra={"fields": {"x": seed.phrase}, "request": seed.phrase}),
    "failed task": task_failed,
    "failed connection": connection_failed,
    "task arguments": task_described,
    "of our code": lambda seed: from_our_code("it was: %s", seed.phrase),
    "arguments that do not fit": lambda seed: handed_over("%d of %s", args=(seed.phrase,)),
    "arguments of no kind": lambda seed: handed_over("it was: %s", args=seed.phrase),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("masker", ["masked", "broken", "too small for it"])
def test_no_identifier_is_ever_written(
    way: str, masker: str, written: Written, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if masker == "broken":
        request.getfixturevalue("no_masker")
    monkeypatch.setattr(state, "masker", masker != "too small for it")
    for seed in SEEDS if masker == "masked" else SEEDS[:32]:
        WAYS[way](seed)
        lines = written()
        assert lines, "nothing was written"
        assert seed.value not in json.dumps(lines), f"{way}: {lines}"


EXCEPTIONS = [
    way for way in WAYS if way.startswith(("exception", "what", "represent", "formatted", "chain", "group", "failed"))
]


@pytest.mark.parametrize("way", EXCEPTIONS)
def test_what_an_exception_says_is_not_written_whatever_it_is(way: str, written: Written) -> None:
    """A question without a single identifier, which the masker leaves as it is."""
    typed = "may warfarin be taken with grapefruit juice"
    assert phi.mask(typed).text == typed
    WAYS[way](Seed(typed, typed))
    text = json.dumps(written())
    assert "warfarin" not in text
    assert "Error" in text or "Unusual" in text or "withheld" in text


def test_the_seeds_would_be_seen() -> None:
    assert len({seed.value for seed in SEEDS}) >= 200
    assert all(seed.value in json.dumps(seed.phrase) for seed in SEEDS)


def test_an_exception_is_told_by_kind_and_places(written: Written) -> None:
    logger.error("it broke", exc_info=chained(Seed("Zebulon", "Zebulon")))
    (line,) = written()
    assert line["error"]["type"] == "RuntimeError"
    assert re.fullmatch(r"compliance/test_logs\.py:\d+ chained", line["error"]["frames"][0])
    (cause,) = line["error"]["from"]
    assert cause["type"] == "ValueError"
    assert [frame.split()[1] for frame in cause["frames"]] == ["chained", "failure"]


def test_the_settings_may_say_what_they_want(written: Written) -> None:
    """Nothing was read yet when they fail, and the operator has to know which variable it is."""
    logger.error("no start", exc_info=ImproperlyConfigured("CLINCHAT_TLS must be true or false."))
    (line,) = written()
    assert line["error"]["says"] == "CLINCHAT_TLS must be true or false."


# ── When masking fails ─────────────────────────────────────────────────────────────────────────────────────────


def import_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "compliance.phi", None)
    monkeypatch.delattr("compliance.phi")


def raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phi, "find", lambda _: 1 / 0)


@pytest.mark.parametrize("breakage", [import_fails, raises])
def test_without_a_masker_the_message_is_withheld(
    breakage: Callable[[pytest.MonkeyPatch], None], written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        breakage(broken)
        logger.warning("a message of no known origin")
        from_our_code("it was: %s", "something typed")
        from_our_code("turn %s not queued: %s", TURN, "OperationalError")
    unknown, ours, ids = written()
    assert unknown["message"] == "[message withheld: masking is not available]"
    assert unknown["place"].startswith("compliance/test_logs.py:")
    assert ours["message"] == "it was: [withheld]"
    assert ids["message"] == f"turn {TURN} not queued: OperationalError"


def test_what_the_masker_itself_says_is_withheld(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    find = phi.find

    def talkative(text: str) -> Any:
        logger.info("looking at %s", text)
        return find(text)

    monkeypatch.setattr(phi, "find", talkative)
    logger.info("SSN 123-45-6789")
    assert [line["message"] for line in written()] == [masking.WITHHELD, "SSN [SSN]"]


def test_an_object_that_cannot_be_written_ends_nothing(written: Written) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("Zebulon")

    handed_over("%s", args=(Broken(),))
    handed_over("x", msg=Broken())
    assert [(line["message"], line["code"]) for line in written()] == [(masking.WITHHELD, "CHAT_OF_THE_TESTS")] * 2


def test_nobody_listening_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, _: str) -> None:
            raise BrokenPipeError

    for stream in (Gone(), None):
        monkeypatch.setattr(sys, "stderr", stream)
        logger.error("Zebulon")


# ── What must survive ──────────────────────────────────────────────────────────────────────────────────────────

SAMPLES = {"str(": "retrieve", "name": "retrieve", "directive": "img-src", "blocked": "inline", "label": "x"}


def own_lines() -> Iterator[tuple[str, str, list[str]]]:
    """Every literal template the product logs, with the source of its arguments."""
    for folder in ("chat", "clinchat", "compliance", "training"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(
                        func=ast.Attribute(
                            value=ast.Name(id="logger"), attr="debug" | "info" | "warning" | "error" | "critical"
                        ),
                        args=[ast.Constant(value=str() as template), *args],
                    ):
                        yield str(path.relative_to(ROOT)), template, [ast.unparse(arg) for arg in args]


def sample(source: str) -> object:
    if "__name__" in source:
        return "OperationalError"
    if source.endswith(("_id", ".pk", ".id")):
        return TURN
    if "reference" in source:
        return "E-86597166"  # digits alone could be anybody's number
    if "places" in source:
        return "views/errors.py:63 > chat/services.py:8 > backends/utils.py:105"
    return next((value for key, value in SAMPLES.items() if key in source), 7)


def test_our_own_lines_survive_unchanged(written: Written) -> None:
    """Even when they are not known to be ours, and each passes through the masker."""
    found = list(own_lines())
    assert len(found) >= 8, "the test finds no lines"
    for path, template, sources in found:
        args = [sample(source) for source in sources]
        for say in (logger.warning, from_our_code):
            say(template, *args)
            (line,) = written()
            assert line["message"] == (template % tuple(args) if args else template), f"{path}: {template}"


def test_ids_survive_whatever_their_digits_are(written: Written) -> None:
    for number in range(300):
        turn = uuid.uuid5(uuid.NAMESPACE_DNS, str(number))
        reference = f"E-{number * 271_828 % 10**8:08}"
        logger.warning("turn %s failed with %s at %s", turn, "TimeoutError", reference)
        (line,) = written()
        assert line["message"] == f"turn {turn} failed with TimeoutError at {reference}"


def test_the_routine_lines_are_those_of_these_versions() -> None:
    """Written without a masker because their words are known; a line that changed its words has lost its place."""
    trace, gunicorn = map(import_module, ("celery.app.trace", "gunicorn"))
    folders = [Path(module.__file__ or "").parents[depth] for module, depth in ((trace, 1), (gunicorn, 0))]
    texts = "".join(path.read_text() for folder in folders for path in folder.rglob("*.py"))
    constants = {trace.LOG_FAILURE.strip(), CONNECTION_ERROR.strip()}
    missing = {
        template
        for template in masking._ROUTINE
        if f'"{template}"' not in texts and f"'{template}'" not in texts and template not in constants
    }
    assert missing <= {
        "Worker (pid:%s) was sent %s! Perhaps out of memory?",  # put together from two literals
        "beat: Connection error: %s. Trying again in %s seconds...",
    }, missing
    assert "Trying again in %s seconds..." in texts
    assert " Perhaps out of memory?" in texts


# ── Markers ────────────────────────────────────────────────────────────────────────────────────────────────────


def told(line: dict[str, Any]) -> dict[str, Any]:
    """What is said beyond the fields of every line."""
    common = {"time", "level", "message", "correlation_id", "actor_id", "task_id", "logger", "process"}
    return {name: value for name, value in line.items() if name not in common}


def test_markers(written: Written) -> None:
    event, account = uuid.uuid4(), uuid.uuid4()
    spans = phi.find("Mrs. Maria Lopez, SSN 123-45-6789, son James Lopez")
    logs.auth_failed(event_id=event, step="password", account=account)
    logs.phi_detected(spans, where="question")
    logs.phi_detected((), where="question")
    logs.slow_query(ms=1234.5, fingerprint="0123456789ab", statement="SELECT", table="chat_turn")
    logs.timed_out(what="database", limit="connect", seconds=5.0)
    assert [told(line) for line in written()] == [
        {
            "stream": "audit",
            "code": "AUTH_FAILED",
            "compliance": "HIPAA",
            "event_id": str(event),
            "step": "password",
            "account": str(account),
        },
        {
            "stream": "security",
            "code": "PHI_DETECTED",
            "compliance": "HIPAA",
            "where": "question",
            "count": 3,
            "labels": {"NAME": 2, "SSN": 1},
        },
        {
            "stream": "performance",
            "code": "SLOW_QUERY",
            "ms": 1234,
            "fingerprint": "0123456789ab",
            "statement": "SELECT",
            "table": "chat_turn",
        },
        {"stream": "performance", "code": "TIMEOUT", "what": "database", "limit": "connect", "seconds": 5.0},
    ]


def test_markers_pass_on_words_of_the_code_only(written: Written) -> None:
    logs.auth_failed(event_id=uuid.uuid4(), step="Maria Lopez typed this")
    logs.slow_query(ms=1, fingerprint="Maria", statement="SELECT 'Lopez'", table='x"; Lopez')
    logs.timed_out(what="Maria Lopez", task="call 312-555-0199", task_id="Lopez")
    assert "Maria" not in (text := json.dumps(written()))
    assert "Lopez" not in text
    assert "0199" not in text


@pytest.mark.parametrize(("limit", "seconds"), [("Soft", 50), ("Hard", 55)])
def test_a_time_limit_of_a_task_is_a_timeout(limit: str, seconds: int, written: Written) -> None:
    template = f"{limit} time limit (%ss) exceeded for %s[%s]"
    assert template in inspect.getsource(import_module("celery.worker.request").Request.on_timeout)
    logging.getLogger("celery.worker.request").warning(template, seconds, "chat.tasks.answer_turn", str(TURN))
    (line,) = written()
    expected = {"what": "task", "limit": limit.lower(), "seconds": seconds, "task": "chat.tasks.answer_turn"}
    assert told(line) == {"stream": "performance", "code": "TIMEOUT", **expected, "of_task": str(TURN)}


def test_a_web_worker_that_hangs_is_a_timeout(written: Written) -> None:
    template = "WORKER TIMEOUT (pid:%s)"
    assert f'"{template}"' in inspect.getsource(import_module("gunicorn.arbiter").Arbiter.murder_workers)
    logging.getLogger("gunicorn.error").critical(template, 4242)
    (line,) = written()
    assert (line["code"], line["what"]) == ("TIMEOUT", "web-worker")


def test_lines_hidden_for_being_routine(written: Written) -> None:
    beat = logging.getLogger("celery.beat")
    beat.info("Scheduler: Sending due task %s (%s)", "fail-lost-answers", "chat.tasks.fail_lost_answers")
    beat.info("beat: Starting...")
    assert [line["message"] for line in written()] == ["beat: Starting..."]
