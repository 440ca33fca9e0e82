"""Events as FHIR R4 AuditEvent resources, after the patterns of IHE's Basic Audit Log Patterns (BALP).

A resource is made of the sealed bytes of one event and of nothing else, so the same event always gives the same
resource. Acts on data are told as RESTful operations, because that is where BALP's profiles look for them; the code
of the OWASP Logging Vocabulary is always a subtype.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Resource: TypeAlias = dict[str, Any]

SYSTEM = "https://clinchat.example/fhir"
"""Ours: /CodeSystem/event-code, /CodeSystem/role, /CodeSystem/actor-kind, /id/object/…, /id/patient-pseudonym."""
_HL7 = "http://terminology.hl7.org/CodeSystem"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_URI = "urn:ietf:rfc:3986"

Coding: TypeAlias = tuple[str, str, str]
AUTHENTICATION: Coding = (_DCM, "110114", "User Authentication")
ALERT: Coding = (_DCM, "110113", "Security Alert")
ACTIVITY: Coding = (_DCM, "110100", "Application Activity")
REST: Coding = (f"{_HL7}/audit-event-type", "rest", "RESTful Operation")
APPLICATION: Coding = (_DCM, "110150", "Application")
SOURCE: Coding = (_DCM, "110153", "Source Role ID")
DESTINATION: Coding = (_DCM, "110152", "Destination Role ID")
USER: Coding = (f"{_HL7}/v3-ParticipationType", "IRCP", "information recipient")
PERSON: Coding = (f"{_HL7}/audit-entity-type", "1", "Person")
SYSTEM_OBJECT: Coding = (f"{_HL7}/audit-entity-type", "2", "System Object")
OTHER: Coding = (f"{_HL7}/audit-entity-type", "4", "Other")
REQUEST: Coding = ("https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "XrequestId", "X-Request-Id")
PATIENT: Coding = (f"{_HL7}/object-role", "1", "Patient")
DOMAIN_RESOURCE: Coding = (f"{_HL7}/object-role", "4", "Domain Resource")
QUERY: Coding = (f"{_HL7}/object-role", "24", "Query")
SERVER: Coding = (f"{_HL7}/security-source-type", "4", "Application Server")

TYPES: dict[str, tuple[Coding, Coding | None]] = {
    "authn_login_success": (AUTHENTICATION, (_DCM, "110122", "Login")),
    "authn_login_fail": (AUTHENTICATION, (_DCM, "110122", "Login")),
    "authn_token_created": (AUTHENTICATION, None),
    "authn_token_revoked": (AUTHENTICATION, None),
    "session_expired": (AUTHENTICATION, (_DCM, "110123", "Logout")),
    "authz_fail": (ALERT, None),
    "user_created": (ALERT, (_DCM, "110137", "User Security Attributes Changed")),
    "user_updated": (ALERT, (_DCM, "110137", "User Security Attributes Changed")),
    "user_deleted": (ALERT, (_DCM, "110137", "User Security Attributes Changed")),
    "privilege_permissions_changed": (ALERT, (_DCM, "110136", "Security Roles Changed")),
    "sys_startup": (ACTIVITY, (_DCM, "110120", "Application Start")),
    "sys_shutdown": (ACTIVITY, (_DCM, "110121", "Application Stop")),
    "sys_restore": (ALERT, None),
    "sys_integrity_fail": (ALERT, None),
}
"""What is not here is an act on data."""
INTERACTIONS = {"C": "create", "R": "read", "U": "update", "D": "delete", "E": "search"}
OUTCOMES = {"success": ("0", "Success"), "failure": ("4", "Failure"), "denied": ("8", "Denied")}
PURPOSES = frozenset({"TREAT", "ETREAT", "BTG", "HOPERAT", "HPAYMT", "HRESCH", "PUBHLTH", "HCOMPL", "HSYSADMIN"})
"""Codes of HL7's v3-ActReason; any other purpose is given as text."""


def resource(content: Mapping[str, Any], *, digest: str, position: int | None, seal: int | None) -> Resource:
    """The AuditEvent of one event, from the columns in its canonical bytes."""
    kind, subtype = TYPES.get(content["code"], (REST, None))
    if kind is REST:
        interaction = INTERACTIONS.get(content["action"], "operation")
        subtype = ("http://hl7.org/fhir/restful-interaction", interaction, interaction)
    outcome, words = OUTCOMES[content["outcome"]]
    made: Resource = {
        "resourceType": "AuditEvent",
        "id": content["id"],
        "type": _coding(kind),
        "subtype": [_coding(subtype)] if subtype else [],
        "action": content["action"],
        "recorded": content["timestamp"],
        "outcome": outcome,
        "outcomeDesc": words,
    }
    made["subtype"].append({"system": f"{SYSTEM}/CodeSystem/event-code", "code": content["code"]})
    if purpose := content["purpose"]:
        coded = {"coding": [{"system": f"{_HL7}/v3-ActReason", "code": purpose}]}
        made["purposeOfEvent"] = [coded if purpose in PURPOSES else {"text": purpose}]
    made["agent"] = list(_agents(content))
    made["source"] = {
        "site": "ClinChat",
        "observer": {"display": f"ClinChat {content['app_version']}".strip()},
        "type": [_coding(SERVER)],
    }
    record = {"position": position, "seal": seal, "digest": digest, "lane": content["lane"], "task": content["task_id"]}
    made["entity"] = [*_entities(content), _record(content["id"], record)]
    return made


def _agents(content: Mapping[str, Any]) -> Iterator[Resource]:
    yield _actor(content)
    # In DICOM's words the source sends: the server where something is read, the client everywhere else.
    client, server = (DESTINATION, SOURCE) if content["action"] == "R" else (SOURCE, DESTINATION)
    if address := content["remote_addr"]:
        yield _machine(client, "Client", address)
        for proxy in content["proxies"]:
            yield _machine(APPLICATION, "Trusted proxy", proxy)
        yield _machine(server, "ClinChat", None)


def _actor(content: Mapping[str, Any]) -> Resource:
    kind, name = content["actor_kind"], content["actor_name"]
    person = kind == "person"
    shown = name or ("Nobody signed in" if person else kind)
    agent: Resource = {"type": _concept(USER if person else APPLICATION)}
    agent["role"] = [_concept((f"{SYSTEM}/CodeSystem/role", role, "")) for role in content["actor_roles"]]
    if not person:
        agent["role"].append(_concept((f"{SYSTEM}/CodeSystem/actor-kind", kind, "")))
    if not agent["role"]:
        del agent["role"]
    agent["who"] = {"display": shown}
    if identifier := content["actor_id"]:
        agent["who"] = {"identifier": {"system": _URI, "value": f"urn:uuid:{identifier}"}, "display": shown}
    if session := content["session"]:
        agent["altId"] = session
    return {**agent, "name": shown, "requestor": True}


def _machine(role: Coding, name: str, address: str | None) -> Resource:
    agent: Resource = {"type": _concept(role), "who": {"display": name}, "requestor": False}
    if address:
        agent["network"] = {"address": address.partition("/")[0], "type": "2"}  # an IP address
    return agent


def _entities(content: Mapping[str, Any]) -> Iterator[Resource]:
    if patient := content["patient"]:
        identifier = {"system": f"{SYSTEM}/id/patient-pseudonym", "value": patient}
        yield {"what": {"identifier": identifier}, "type": _coding(PERSON), "role": _coding(PATIENT)}
    detail = dict(content["detail"])
    if object_type := content["object_type"]:
        thing: Resource = {}
        if identifier := content["object_id"]:
            thing["what"] = {"identifier": {"system": f"{SYSTEM}/id/object/{object_type}", "value": identifier}}
        thing |= {"type": _coding(SYSTEM_OBJECT), "role": _coding(DOMAIN_RESOURCE), "name": object_type}
        changes = {f"changed {column}": pair for column, pair in (content["changes"] or {}).items()}
        if said := _details({**detail, **changes}):
            thing["detail"] = said
        yield thing
    if searched := detail.get("filter"):
        query = base64.b64encode(_text(searched).encode()).decode()
        yield {"type": _coding(SYSTEM_OBJECT), "role": _coding(QUERY), "query": query}
    if correlation := content["correlation_id"]:
        yield {"what": {"identifier": {"value": correlation}}, "type": _coding(REQUEST)}


def _record(identifier: str, record: Mapping[str, Any]) -> Resource:
    """The event in the sealed trail, so that a reader of the resource can find its proof."""
    return {
        "what": {"identifier": {"system": _URI, "value": f"urn:uuid:{identifier}"}},
        "type": _coding(OTHER),
        "name": "ClinChat audit trail",
        "detail": _details(record),
    }


def _details(values: Mapping[str, Any]) -> list[Resource]:
    return [{"type": name, "valueString": _text(value)} for name, value in values.items() if value not in (None, "")]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _coding(coding: Coding) -> Resource:
    system, code, display = coding
    return {"system": system, "code": code, "display": display} if display else {"system": system, "code": code}


def _concept(coding: Coding) -> Resource:
    return {"coding": [_coding(coding)]}
