"""Every event the product can write is a valid FHIR R4 AuditEvent, and always the same one."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent as Resource
from hypothesis import given
from hypothesis import strategies as st

from compliance.audit import fhir
from compliance.models import ActorKind, Code, Crude, Lane, Outcome
from compliance.models.events import AuditEvent

PERSON = "5a8ffa3e-5c6b-4b1e-9a51-57e7a3b1f001"
EVENT = "01a1fe92-ee0a-79fa-aa07-d3244ef9e94a"


def content(**columns: Any) -> dict[str, Any]:
    return {
        "id": EVENT,
        "xid": "755",
        "form": 1,
        "timestamp": "2026-11-21T14:17:18.8472+00:00",
        "lane": "access",
        "code": "sensitive_read",
        "action": "R",
        "outcome": "success",
        "actor_id": PERSON,
        "actor_name": "Alice Adeyemi",
        "actor_roles": ["clinician", "department_head"],
        "actor_kind": "person",
        "session": "ab" * 32,
        "remote_addr": "192.0.2.7/32",
        "proxies": ["10.0.0.1", "10.0.0.2"],
        "object_type": "chat.Turn",
        "object_id": "0c5a2d9c-0f0e-4d57-8f5f-0d6f4f8c9a11",
        "patient": "P-0123456789abcdef",
        "purpose": "TREAT",
        "correlation_id": "9b0a3f57-2a55-4a3f-9a7e-0a52a5b6a111",
        "task_id": "",
        "app_version": "0.2.0",
        "detail": {"passages": 3, "note": "x", "list": ["a"], "nothing": None, "empty": "", "flag": False},
        "changes": None,
    } | columns


def made(**columns: Any) -> dict[str, Any]:
    """The resource, validated, as it is written."""
    resource = fhir.resource(content(**columns), digest="ef" * 32, position=17, seal=4)
    text = json.dumps(resource)
    Resource.model_validate_json(text)
    validated: dict[str, Any] = json.loads(text)
    return validated


def entity(resource: dict[str, Any], system_code: tuple[str, str]) -> dict[str, Any]:
    """The one entity with this type and role."""
    kind, role = system_code
    found = [e for e in resource["entity"] if (e["type"]["code"], e.get("role", {}).get("code", "")) == (kind, role)]
    assert len(found) == 1
    return dict(found[0])


ABSENT: dict[str, Any] = {
    "actor_id": None,
    "actor_name": "",
    "actor_roles": [],
    "session": "",
    "remote_addr": None,
    "proxies": [],
    "object_type": "",
    "object_id": "",
    "patient": "",
    "purpose": "",
    "correlation_id": None,
    "detail": {},
    "app_version": "",
}


def test_the_shapes_here_have_the_columns_of_the_table() -> None:
    names = {column.attname for column in AuditEvent._meta.concrete_fields}
    assert names - {"canonical", "digest"} == set(content()) - {"xid", "form"}


@pytest.mark.parametrize("code", Code.values)
@pytest.mark.parametrize("kind", ActorKind.values)
def test_every_shape_is_valid(code: str, kind: str) -> None:
    for action, outcome, lane in itertools.product(Crude.values, Outcome.values, Lane.values):
        resource = made(code=code, actor_kind=kind, action=action, outcome=outcome, lane=lane)
        assert resource["subtype"][-1] == {"system": f"{fhir.SYSTEM}/CodeSystem/event-code", "code": code}
        assert resource["action"] == action
    made(code=code, actor_kind=kind, **ABSENT)
    for column, value in ABSENT.items():
        made(code=code, actor_kind=kind, **{column: value})


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "actor_name": st.text(max_size=20).filter(lambda text: text.strip() == text),
            "purpose": st.sampled_from(["", "TREAT", "BTG", "peer review"]),
            "detail": st.dictionaries(
                st.from_regex(r"[a-z_]{1,20}", fullmatch=True),
                st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.lists(st.integers()),
                max_size=4,
            ),
            "changes": st.none() | st.just({"status": ["queued", "answered"], "text": [None, "hmac:0011223344556677"]}),
            "remote_addr": st.none() | st.ip_addresses().map(str),
        },
    )
)
def test_what_varies_stays_valid(columns: dict[str, Any]) -> None:
    made(**columns)


def test_read_of_a_record_is_told_as_balp_tells_it() -> None:
    resource = made()
    assert resource["resourceType"] == "AuditEvent"
    assert resource["id"] == EVENT
    assert resource["type"]["code"] == "rest"
    assert resource["subtype"][0] == {
        "system": "http://hl7.org/fhir/restful-interaction",
        "code": "read",
        "display": "read",
    }
    assert resource["recorded"] == "2026-11-21T14:17:18.8472+00:00"
    assert (resource["outcome"], resource["outcomeDesc"]) == ("0", "Success")
    assert resource["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"
    user, client, *proxies, server = resource["agent"]
    assert user["type"]["coding"][0]["code"] == "IRCP"
    assert user["who"]["identifier"] == {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{PERSON}"}
    assert (user["name"], user["requestor"], user["altId"]) == ("Alice Adeyemi", True, "ab" * 32)
    assert [role["coding"][0]["code"] for role in user["role"]] == ["clinician", "department_head"]
    assert "network" not in user, "a person is not on the network"
    assert client["network"] == {"address": "192.0.2.7", "type": "2"}
    assert (client["type"]["coding"][0]["code"], server["type"]["coding"][0]["code"]) == ("110152", "110153")
    assert [proxy["network"]["address"] for proxy in proxies] == ["10.0.0.1", "10.0.0.2"]
    assert [agent["requestor"] for agent in resource["agent"]] == [True, False, False, False, False]
    assert resource["source"]["observer"]["display"] == "ClinChat 0.2.0"
    patient = entity(resource, ("1", "1"))
    assert patient["what"]["identifier"]["value"] == "P-0123456789abcdef"
    thing = entity(resource, ("2", "4"))
    assert thing["name"] == "chat.Turn"
    assert thing["what"]["identifier"]["value"] == "0c5a2d9c-0f0e-4d57-8f5f-0d6f4f8c9a11"
    detail = {item["type"]: item["valueString"] for item in thing["detail"]}
    assert detail == {"passages": "3", "note": "x", "list": '["a"]', "flag": "false"}
    assert entity(resource, ("XrequestId", ""))["what"]["identifier"]["value"].startswith("9b0a3f57")


def test_place_in_the_trail_leads_to_the_proof() -> None:
    record = entity(made(), ("4", ""))
    assert record["what"]["identifier"]["value"] == f"urn:uuid:{EVENT}"
    detail = {item["type"]: item["valueString"] for item in record["detail"]}
    assert detail == {"position": "17", "seal": "4", "digest": "ef" * 32, "lane": "access"}
    unsealed = fhir.resource(content(), digest="ef" * 32, position=None, seal=None)
    assert {item["type"] for item in unsealed["entity"][-1]["detail"]} == {"digest", "lane"}


def test_changes_are_told_by_column() -> None:
    resource = made(code="sensitive_update", action="U", changes={"status": ["queued", "answered"]})
    detail = {item["type"]: item["valueString"] for item in entity(resource, ("2", "4"))["detail"]}
    assert detail["changed status"] == '["queued","answered"]'
    assert resource["subtype"][0]["code"] == "update"


@pytest.mark.parametrize(
    ("kind", "name", "shown"),
    [
        ("service", "", "service"),
        ("schedule", "compliance.tasks.seal_events", "compliance.tasks.seal_events"),
        ("command", "manage.py ingest (root)", "manage.py ingest (root)"),
        ("unknown-db", "unknown-db:clinchat", "unknown-db:clinchat"),
    ],
)
def test_what_acts_by_itself_is_an_application(kind: str, name: str, shown: str) -> None:
    resource = made(actor_kind=kind, **(ABSENT | {"actor_name": name}))
    (agent,) = resource["agent"]
    assert agent["type"]["coding"][0]["code"] == "110150"
    assert agent["role"][0]["coding"][0]["code"] == kind
    assert (agent["name"], agent["who"]["display"], agent["requestor"]) == (shown, shown, True)


def test_stranger_is_told_as_nobody() -> None:
    agent = made(**(ABSENT | {"remote_addr": "2001:db8::7"}))["agent"]
    assert agent[0]["name"] == "Nobody signed in"
    assert agent[1]["network"]["address"] == "2001:db8::7"


@pytest.mark.parametrize(("outcome", "code"), [("success", "0"), ("failure", "4"), ("denied", "8")])
def test_outcomes(outcome: str, code: str) -> None:
    assert made(outcome=outcome)["outcome"] == code


@pytest.mark.parametrize(
    ("code", "kind", "subtype"),
    [
        ("authn_login_fail", "110114", "110122"),
        ("authz_fail", "110113", "authz_fail"),
        ("privilege_permissions_changed", "110113", "110136"),
        ("user_updated", "110113", "110137"),
        ("sys_startup", "110100", "110120"),
        ("sensitive_create", "rest", "create"),
    ],
)
def test_kinds_of_events(code: str, kind: str, subtype: str) -> None:
    resource = made(code=code, action="C")
    assert (resource["type"]["code"], resource["subtype"][0]["code"]) == (kind, subtype)


def test_search_tells_what_was_asked_for() -> None:
    resource = made(object_type="compliance.AuditEvent", object_id="", detail={"filter": {"outcome": "denied"}})
    query = entity(resource, ("2", "24"))
    assert json.loads(base64.b64decode(query["query"])) == {"outcome": "denied"}
    assert "name" not in query, "FHIR allows a name or a query"


def test_purpose_without_a_code_is_text() -> None:
    assert made(purpose="peer review")["purposeOfEvent"] == [{"text": "peer review"}]
    assert "purposeOfEvent" not in made(purpose="")


def test_same_event_gives_the_same_resource() -> None:
    assert json.dumps(made()) == json.dumps(made())
