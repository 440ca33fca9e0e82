"""Events are handed out truthfully, completely, safely for spreadsheets, and never unrecorded."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from fhir.resources.R4B.auditevent import AuditEvent as Resource
from hypothesis import given
from hypothesis import strategies as st

from compliance import audit
from compliance.audit import export, seal
from compliance.audit.export import Format, Row
from compliance.audit.search import EventFilter
from compliance.models import AuditEvent, Code, Crude, Outcome, SealedEvent
from tests import cast

database = pytest.mark.django_db
sealed = pytest.mark.django_db(transaction=True)


def row(number: int = 1, **columns: Any) -> Row:
    names = dict.fromkeys(export.COLUMNS.values(), "")
    content = names | {"id": str(UUID(int=number)), "timestamp": "2026-11-21T14:17:18.8472+00:00"} | columns
    canonical = json.dumps(content, ensure_ascii=False).encode()
    return Row(UUID(int=number), canonical, hashlib.sha256(b"\x00" + canonical).digest(), number, 1)


def written(rows: list[Row], form: Format) -> str:
    out = io.BytesIO()
    assert export.write(rows, format=form, out=out) == len(rows)
    return out.getvalue().decode()


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


# ── CSV ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_table_has_one_header_and_one_row_an_event() -> None:
    text = written(
        [row(1), row(2, proxies=["10.0.0.1", "10.0.0.2"], detail={"passages": 3}, actor_id=None)], Format.CSV
    )
    assert text.count("time,event,code") == 1
    assert text.endswith("\r\n")
    assert text.count("\r\n") == 3
    first, second = table(text)
    assert first["time"] == "2026-11-21T14:17:18.8472+00:00"
    assert (second["event"], second["position"], second["seal"]) == (str(UUID(int=2)), "2", "1")
    assert (second["source"], second["proxies"], second["detail"]) == ("", "10.0.0.1 10.0.0.2", '{"passages": 3}')
    assert (
        second["digest"] == row(2, proxies=["10.0.0.1", "10.0.0.2"], detail={"passages": 3}, actor_id=None).digest.hex()
    )


def test_table_has_every_column_of_the_trail() -> None:
    columns = {column.attname for column in AuditEvent._meta.concrete_fields} - {"canonical", "digest"}
    assert set(export.COLUMNS.values()) == columns


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])  # noqa: RUF001
def test_no_cell_is_a_formula(start: str) -> None:
    formula = f"{start}cmd|' /C calc'!A1"
    (read,) = table(written([row(actor_name=formula, object_id=formula, purpose=formula)], Format.CSV))
    assert {read["actor_name"], read["object_id"], read["purpose"]} == {f"'{formula}"}


@given(st.text(), st.text())
def test_whatever_is_in_a_cell_can_be_read_back(name: str, note: str) -> None:
    (read,) = table(written([row(actor_name=name, detail={"note": note})], Format.CSV))
    assert read["actor_name"].removeprefix("'") == name.removeprefix("'")
    assert not read["actor_name"].startswith(export.FORMULA)
    assert json.loads(read["detail"]) == {"note": note}


def test_unsealed_event_has_no_place() -> None:
    event = row()
    (read,) = table(written([Row(event.id, event.canonical, event.digest)], Format.CSV))
    assert (read["position"], read["seal"]) == ("", "")


# ── JSON lines ─────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.text())
def test_line_holds_the_bytes_that_were_hashed(name: str) -> None:
    event = row(actor_name=name)
    text = written([event], Format.JSONL)
    line = text.removesuffix("\n")
    assert "\n" not in line
    read = json.loads(line)
    assert (read["position"], read["seal"], read["event"]["actor_name"]) == (1, 1, name)
    inside = line.encode().partition(b', "event": ')[2][:-1]
    assert hashlib.sha256(b"\x00" + inside).hexdigest() == read["digest"]


@pytest.mark.parametrize("canonical", [b"\xff", b"{", b"[1]", b"5"])
@pytest.mark.parametrize("form", [Format.CSV, Format.JSONL, Format.FHIR])
def test_bytes_that_cannot_be_read_stop_the_export(canonical: bytes, form: Format) -> None:
    with pytest.raises(export.Damaged, match="audit_verify"):
        export.write([Row(UUID(int=1), canonical, b"")], format=form, out=io.BytesIO())


@pytest.mark.parametrize("form", [Format.CSV, Format.JSONL])
def test_memory_does_not_grow_with_the_events(form: Format) -> None:
    class Nowhere(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            return len(data)

    def rows(count: int) -> Iterator[Row]:
        return (row(number) for number in range(count))

    tracemalloc.start()
    try:
        peaks = []
        for count in (300, 6000):
            tracemalloc.reset_peak()
            export.write(rows(count), format=form, out=Nowhere())  # type: ignore[arg-type]
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000


# ── From the database ──────────────────────────────────────────────────────────────────────────────────────────


def record(count: int = 1, **fields: Any) -> None:
    for _ in range(count):
        audit.record(**{"code": Code.SENSITIVE_READ, "action": Crude.READ, "object_type": "chat.Turn"} | fields)


@database
@pytest.mark.parametrize("form", [Format.CSV, Format.JSONL, Format.FHIR])
def test_file_holds_what_the_filter_asks_for_oldest_first(form: Format) -> None:
    with audit.bind(actor=cast.alice(), source="192.0.2.7"):
        record(3)
        record(2, outcome=Outcome.DENIED)
    made = export.file_for(EventFilter(outcome="denied"), format=form)
    with made.file:
        text = made.file.read().decode()
    ids = [
        str(key)
        for key in AuditEvent.objects.filter(outcome="denied").order_by("timestamp").values_list("pk", flat=True)
    ]
    assert made.events == len(ids) == 2
    if form is Format.CSV:
        assert [read["event"] for read in table(text)] == ids
    else:
        lines = [json.loads(line) for line in text.splitlines()]
        assert [line.get("id") or line["event"]["id"] for line in lines] == ids
    if form is Format.FHIR:
        assert all(Resource.model_validate(line).agent[0].name == "Alice Adeyemi" for line in lines)


@database
@pytest.mark.parametrize(
    ("form", "ending", "content_type"),
    [
        (Format.CSV, ".csv", "text/csv; charset=utf-8"),
        (Format.JSONL, ".jsonl", "application/jsonl"),
        (Format.FHIR, ".ndjson", "application/fhir+ndjson"),
    ],
)
def test_file_has_a_name_that_tells_nothing(form: Format, ending: str, content_type: str) -> None:
    record(patient="P-0123456789abcdef")
    made = export.file_for(EventFilter(patient="P-0123456789abcdef"), format=form)
    made.file.close()
    assert made.name.startswith("audit-20")
    assert made.name.endswith(f"Z{ending}")
    assert "P-" not in made.name
    assert made.content_type == content_type


@database
def test_all_chunks_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "CHUNK", 3)
    record(10)
    assert len(list(export.rows(EventFilter(object_type="chat.Turn")))) == 10


@database
def test_every_event_of_the_product_is_a_valid_resource() -> None:
    """Those of making people, of changing and of reading, by a person, by nobody and by the system."""
    cast.ada()
    with audit.bind(actor=cast.alice(), source="2001:db8::7", proxies=("10.0.0.1",), purpose="TREAT"):
        record(patient="P-0123456789abcdef", object_id=str(UUID(int=5)), detail={"passages": 3})
    with audit.bind_command(["ingest"]):
        record(code=Code.SYS_STARTUP, action=Crude.EXECUTE)
    made = export.file_for(EventFilter(), format=Format.FHIR)
    with made.file:
        resources = [Resource.model_validate_json(line) for line in made.file]
    assert len(resources) == made.events == AuditEvent.objects.count() - 2, "all but those of the export itself"
    assert len({resource.id for resource in resources}) == made.events


@database
def test_export_is_recorded_before_it_is_written() -> None:
    record(2)
    with audit.bind(actor=cast.nadia()):
        export.begin(EventFilter(object_type="chat.Turn", patient=""), format=Format.CSV)
    event = AuditEvent.objects.get(object_type="compliance.AuditEvent")
    assert (event.code, event.action, event.outcome) == (Code.SENSITIVE_READ, Crude.READ, Outcome.SUCCESS)
    assert event.detail == {"export": "csv", "filter": {"object_type": "chat.Turn"}}
    assert event.actor_id == cast.nadia().pk


@database
def test_export_of_a_patient_is_found_under_the_patient() -> None:
    record(patient="P-0123456789abcdef")
    export.begin(EventFilter(patient="P-0123456789abcdef"), format=Format.JSONL)
    assert AuditEvent.objects.get(object_type="compliance.AuditEvent").patient == "P-0123456789abcdef"


@database
def test_nothing_is_exported_that_cannot_be_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    record()

    def refuse(**_: Any) -> None:
        raise audit.AuditUnavailable

    monkeypatch.setattr(export, "record", refuse)
    with pytest.raises(audit.AuditUnavailable):
        export.file_for(EventFilter(), format=Format.CSV)
    with pytest.raises(CommandError, match="cannot record this export, so nothing was exported"):
        command("--format", "csv", "--output", tmp_path / "all.csv")
    assert not list(tmp_path.iterdir())


@database
def test_too_many_for_a_page_names_the_command() -> None:
    record(4)
    with pytest.raises(export.TooMany, match=r"manage\.py audit_export") as raised:
        export.file_for(EventFilter(object_type="chat.Turn"), format=Format.CSV, limit=3)
    assert raised.value.limit == 3
    assert not AuditEvent.objects.filter(object_type="compliance.AuditEvent").exists()
    export.file_for(EventFilter(object_type="chat.Turn"), format=Format.CSV, limit=4).file.close()


# ── The command ────────────────────────────────────────────────────────────────────────────────────────────────


def command(*words: str | Path) -> str:
    said = io.StringIO()
    call_command("audit_export", *map(str, words), stderr=said)
    return said.getvalue()


@sealed
def test_command_writes_a_file_and_a_bundle(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_CHECKPOINT_FILES = []
    with audit.bind(actor=cast.alice()):
        record(5)
    seal.seal_all()
    output, bundle = tmp_path / "turns.jsonl", tmp_path / "turns.zip"
    said = command("--format", "jsonl", "--output", output, "--bundle", bundle, "--object", "chat.Turn")
    assert f"5 events written to {output}." in said
    assert f"5 events written to {bundle}." in said
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    places = set(SealedEvent.objects.values_list("position", "seal_id"))
    assert {(line["position"], line["seal"]) for line in lines} <= places
    with zipfile.ZipFile(bundle) as packed:
        packed.extractall(tmp_path / "unpacked")
    run = [sys.executable, "-I", "-S", str(tmp_path / "unpacked" / "verify.py")]
    assert subprocess.run(run, env={}, capture_output=True, check=False).returncode == 0
    assert [oct(path.stat().st_mode & 0o777) for path in (output, bundle)] == ["0o600", "0o600"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["turns.jsonl", "turns.zip", "unpacked"]
    recorded = AuditEvent.objects.filter(object_type="compliance.AuditEvent").order_by("timestamp")
    assert [event.detail["export"] for event in recorded] == ["jsonl", "bundle"]


@database
def test_command_writes_to_the_terminal(capfdbinary: Any) -> None:
    record(2)
    said = command("--format", "csv", "--output", "-", "--object", "chat.Turn")
    assert len(table(capfdbinary.readouterr().out.decode())) == 2
    assert "2 events written to the terminal." in said


@database
def test_command_filters_by_person_patient_day_and_reference() -> None:
    alice, today = cast.alice(), str(audit.AuditEvent.objects.latest().timestamp.date())
    reference = UUID("9b0a3f57-2a55-4a3f-9a7e-0a52a5b6a111")
    with audit.bind(actor=alice, correlation_id=reference):
        record(patient="P-0123456789abcdef", object_id=str(UUID(int=7)), outcome=Outcome.DENIED)
    record(3)
    for words in (
        ["--person", alice.email],
        ["--person", str(alice.pk), "--object", "chat.Turn"],
        ["--patient", "P-0123456789abcdef", "--since", today, "--until", today],
        ["--object", f"chat.Turn:{UUID(int=7)}"],
        ["--outcome", "denied", "--code", "sensitive_read"],
        ["--correlation", "E-9B0A3F57"],
    ):
        assert "1 event written" in command("--format", "jsonl", "--output", "-", *words), words


REFUSED = [
    (["--bundle", "x.zip", "--since", "yesterday"], 2, "“yesterday” is not a date"),
    (["--bundle", "x.zip", "--since", "2026-11-31"], 2, "does not exist"),
    (["--bundle", "x.zip", "--since", "1900-01-01"], 2, "years ago"),
    (["--bundle", "x.zip", "--since", "2026-11-10", "--until", "2026-11-01"], 2, "is before the first"),
    (["--bundle", "x.zip", "--person", "nobody@hospital.test"], 2, "Nobody here has the e-mail address"),
    (["--bundle", "x.zip", "--patient", "12345"], 2, "not a pseudonym"),
    (["--bundle", "x.zip", "--object", "chat.Nothing"], 2, "no kind of object"),
    (["--bundle", "x.zip", "--object", "chat.Turn:x"], 2, "is not an id"),
    (["--bundle", "x.zip", "--code", "nothing"], 2, "no event code"),
    (["--bundle", "x.zip", "--outcome", "perhaps"], 2, "no outcome"),
    ([], 2, "Say where to"),
    (["--format", "csv"], 2, "Say where to"),
    (["--output", "x.csv"], 2, "go together"),
    (["--format", "csv", "--bundle", "x.zip"], 2, "go together"),
    (["--format", "csv", "--output", "x.zip", "--bundle", "x.zip"], 2, "name the same file"),
    (["--bundle", "-"], 2, "cannot be written to the terminal"),
    (["--bundle", "x.zip", "--object", "chat.Turn"], 1, "No event fits"),
    (["--bundle", "there.zip"], 1, "exists already. Choose another name, or replace it with --force."),
    (["--bundle", "."], 1, "is a folder"),
    (["--bundle", "/dev/null", "--force"], 1, "not a file that can be replaced"),
    (["--bundle", "missing/x.zip"], 1, "There is no folder"),
    (["--bundle", "closed/x.zip"], 1, "Nothing can be written to the folder"),
    (["--bundle", "x.zip"], 1, "is sealed yet"),
]


@database
@pytest.mark.parametrize(
    ("words", "code", "said"), REFUSED, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_bad_input_is_named_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    cast.alice()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.zip").write_bytes(b"mine")
    (tmp_path / "closed").mkdir()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "closed" not in str(path) and access(path, mode))
    with pytest.raises(CommandError, match=said) as raised:
        command(*words)
    assert raised.value.returncode == code
    assert (tmp_path / "there.zip").read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["closed", "there.zip"]
    assert not AuditEvent.objects.filter(object_type="compliance.AuditEvent").exists(), "nothing was exported"


@database
def test_existing_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    record()
    path = tmp_path / "all.csv"
    path.write_text("old")
    command("--format", "csv", "--output", path, "--object", "chat.Turn", "--force")
    assert len(table(path.read_text())) == 1


@database
def test_failure_while_writing_leaves_the_old_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    record()
    path = tmp_path / "all.csv"
    path.write_text("old")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "_write_csv", full)
    with pytest.raises(CommandError, match=r"could not be written \(No space left on device\)"):
        command("--format", "csv", "--output", path, "--force")
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["all.csv"]


def test_help_is_understood_by_a_stranger() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "audit_export", "--help"],
        cwd=django_settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    for words in ("--since DAY", "--bundle FILE.zip", "examples:", "exit code: 0 done, 1 a problem", "sensitive_read"):
        assert words in done.stdout
