"""The validate_… commands, the numbers on /metrics and the admin of controls, with whatever is sent to them."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from clinchat.lib import clock
from compliance import metrics
from compliance.admin_controls import CheckScheduleForm, ControlOwnerForm
from compliance.controls import attestations, catalogue, figures, registry, results
from compliance.controls.registry import Found, Registered
from compliance.models import CheckSchedule, ControlOwner, ControlResult, User
from tests import cast

pytestmark = pytest.mark.django_db


def visit(who: str) -> Client:
    return cast.sign_in(Client(), getattr(cast, who)())


def kept(key: str) -> None:
    results.keep(
        key=key,
        state=ControlResult.State.PASS,
        observed="3 of 3",
        subjects=3,
        started_at=clock.now(),
        duration_ms=7,
    )


# ── Commands ───────────────────────────────────────────────────────────────────────────────────────────────────

COMMANDS = ("validate_hipaa_compliance", "validate_encryption", "validate_rbac", "validate_phi_protection")


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every check passes, and what is to be signed is signed and agreed: nothing but the engine is under test."""
    one = Found(ok=True, observed="3 of 3", subjects=3)
    checks = {key: Registered(key, lambda: one) for key in catalogue.current().checks}
    monkeypatch.setattr(registry, "_checks", checks)
    for control in catalogue.current().controls:
        ControlOwner.objects.create(control=control.id, owner=cast.carol())
        if control.mode in {catalogue.Mode.HYBRID, catalogue.Mode.ATTESTATION}:
            attestations.attest(
                control_id=control.id, owner=cast.carol(), statement="So.", document=b"x", document_name="x"
            )


def command(name: str, *arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command(name, *arguments, stdout=out, stderr=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.mark.parametrize("name", COMMANDS)
def test_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command(name, "--help")
    assert ended.value.code == 0
    assert "--json" in capsys.readouterr().out


@pytest.mark.usefixtures("passes")
def test_the_json_that_pipelines_read() -> None:
    code, said = command("validate_hipaa_compliance", "--json")
    found = json.loads(said)
    assert (code, found["coverage"], found["compliant"]) == (0, 100, True)
    assert found["score"] == 100
    assert len(found["checks"]) == 98
    assert all({"key", "control", "state", "observed", "expected"} <= set(one) for one in found["checks"])
    assert {one["control"] for one in found["checks"]} <= set(catalogue.current().by_id)
    assert ControlResult.objects.count() == 98


@pytest.mark.usefixtures("passes")
@pytest.mark.parametrize(("under", "code"), [("0", 0), ("100", 0), ("99.9", 0)])
def test_fail_under(under: str, code: int) -> None:
    assert command("validate_hipaa_compliance", "--fail-under", under)[0] == code


@pytest.mark.usefixtures("passes")
def test_one_that_fails_and_a_gate_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = Found(ok=False, observed="1 of 3", subjects=3, failing=["a"])
    monkeypatch.setitem(registry._checks, "time.sync", Registered("time.sync", lambda: bad))
    code, said = command("validate_hipaa_compliance", "--json", "--fail-under", "98")
    score = json.loads(said)["score"]
    assert (code, 98 < score < 100) == (0, True)
    assert command("validate_hipaa_compliance", "--fail-under", str(score))[0] == 0
    assert command("validate_hipaa_compliance", "--fail-under", str(score + 0.1))[0] == 1
    monkeypatch.setitem(registry._checks, "sod.four_eyes", Registered("sod.four_eyes", lambda: bad))
    code, said = command("validate_hipaa_compliance", "--fail-under", "0")
    assert code == 1
    assert "NOT COMPLIANT" in said
    assert "Gates not kept: APP-03." in said
    assert "96 of 98 checks passed." in said


@pytest.mark.parametrize("under", ["-1", "100.1", "nan", "inf", "many", ""])
def test_a_score_that_there_cannot_be(under: str) -> None:
    with pytest.raises((CommandError, SystemExit)):
        call_command("validate_hipaa_compliance", "--fail-under", under)
    assert not ControlResult.objects.exists()


def test_another_environment_is_not_judged(settings: Any) -> None:
    for embedded, named in ((True, "production"), (False, "embedded")):
        settings.EMBEDDED = embedded
        code, said = command("validate_hipaa_compliance", "--environment", named)
        assert code == 2
        assert "Nothing was looked at" in said
    assert not ControlResult.objects.exists()


@pytest.mark.usefixtures("passes")
@pytest.mark.parametrize("name", ["validate_encryption", "validate_rbac"])
def test_the_smaller_ones(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = command(name, "--json")
    found = json.loads(said)
    assert (code, found["ok"]) == (0, True)
    assert len(found["checks"]) == ControlResult.objects.count() > 3
    key = found["checks"][0]["key"]
    monkeypatch.setitem(registry._checks, key, Registered(key, None, missing="Not there."))
    code, said = command(name)
    assert code == 1
    assert "Not there." in said


# ── Numbers and admin ──────────────────────────────────────────────────────────────────────────────────────────


def exposed() -> dict[str, float]:
    text = metrics.exposition()[0].decode()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[:1] != "#"}


def test_the_score_and_the_gates_are_exposed() -> None:
    found = exposed()
    assert found[figures.SCORE] == 0
    assert found[figures.GATES] == 18
    assert figures.LAST not in found
    kept("sod.four_eyes")
    found = exposed()
    assert found[figures.SCORE] > 0
    assert found[figures.GATES] == 17
    assert abs(found[figures.LAST] - clock.now().timestamp()) < 30
    assert found['clinchat_hipaa_controls{state="pass"}'] == 1
    assert sum(number for name, number in found.items() if name.startswith(figures.CONTROLS + "{")) == 61


def test_counters_without_a_label_are_exposed() -> None:
    before = exposed()[metrics.CHECK_TURNS]
    metrics.count(metrics.CHECK_TURNS)
    metrics.count(metrics.INTERACTION_CHECKS)
    found = exposed()
    assert found[metrics.CHECK_TURNS] == before + 1
    assert found[metrics.INTERACTION_CHECKS] >= 1
    assert {f"{name}" for name in metrics.METRICS} <= {name.partition("{")[0] for name in found} | {metrics.SECONDS}


@pytest.mark.parametrize(("minutes", "right"), [(4, False), (5, True), (1440, True), (1441, False), (0, False)])
def test_the_admin_refuses_to_look_less_often_than_the_catalogue(minutes: int, right: bool) -> None:
    sent = {"check_key": "vuln.sla", "minutes": str(minutes)}
    assert CheckScheduleForm(sent).is_valid() == right
    old = CheckSchedule(check_key="vuln.sla", minutes=60)
    assert CheckScheduleForm(sent, instance=old).is_valid() == right
    assert not CheckScheduleForm({"check_key": "no.such", "minutes": "5"}).is_valid()


def test_the_admin_names_owners_who_are_there() -> None:
    closed = cast.mallory()
    User.objects.filter(pk=closed.pk).update(is_active=False)
    assert ControlOwnerForm({"control": "ADM-02", "owner": str(cast.pat().pk)}).is_valid()
    assert not ControlOwnerForm({"control": "ADM-02", "owner": str(closed.pk)}).is_valid()
    assert not ControlOwnerForm({"control": "ADM-99", "owner": str(cast.pat().pk)}).is_valid()


def test_in_the_admin_itself() -> None:
    client = visit("ada")
    there = "/admin/compliance/checkschedule/"
    assert client.get(there).status_code == 200
    assert client.post(there + "add/", {"check_key": "vuln.sla", "minutes": "9999"}).status_code == 200
    assert not CheckSchedule.objects.exists()
    assert client.post(there + "add/", {"check_key": "vuln.sla", "minutes": "30"}).status_code == 302
    assert client.post(there + "vuln.sla/change/", {"minutes": "9999"}).status_code == 200
    assert CheckSchedule.objects.get().minutes == 30
    assert client.post(there + "vuln.sla/change/", {"minutes": "20", "check_key": "time.sync"}).status_code == 302
    assert CheckSchedule.objects.get().minutes == 20
    owners = "/admin/compliance/controlowner/"
    assert client.post(owners + "add/", {"control": "ADM-02", "owner": str(cast.pat().pk)}).status_code == 302
    assert client.post(owners + "ADM-02/change/", {"owner": str(cast.sam().pk)}).status_code == 302
    assert ControlOwner.objects.get().owner == cast.sam()
    for nothing in ("Mr. Delacroix", "ADM-99", "no.such"):
        assert client.get(f"{owners}{nothing}/change/").status_code == 404
    assert client.post(there + "vuln.sla/delete/", {"post": "yes"}).status_code == 403
    assert visit("sam").get(there).status_code in {302, 403, 404}
