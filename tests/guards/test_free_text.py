"""One choke point: every place a text can end up is on one list, and every field that takes prose masks it."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.test import RequestFactory
from rest_framework import serializers

from chat.forms import QuestionField
from chat.library_forms import DayForm
from clinchat.lib.sealed_field import SealedField
from compliance.access import next_page
from compliance.api.bodies import Body, FreeText
from compliance.audit import search
from compliance.block_forms import FindForm
from compliance.continuity_forms import FindSnapshotsForm
from compliance.free_text import FreeTextField
from compliance.people_forms import SearchForm
from compliance.sinks import SINKS, How
from tests.guards.test_source import PRODUCT, ROOT, sources

TEXT = (models.CharField, models.TextField, models.JSONField, SealedField)
NOT_PROSE = (forms.UUIDField, forms.GenericIPAddressField)

STAFF = "the name or label of an account"
SECRET = "compared and not kept"
CHOSEN = "compared with a list of ours"
SAID = "of a document, which two people look at before anybody reads it; masking takes its publisher for a patient"
SUBJECT = "compared with ids, addresses and pseudonyms that are here, which alone are kept"
PSEUDONYM = "turned into the pseudonym of the audit trail, and not kept"
DESCRIBED = ("title", "external_id", "specialty", "owner", "source", "url", "licence")
ALLOWED = {
    "PasswordForm.email": STAFF,
    "PasswordForm.password": SECRET,
    "AgainForm.password": SECRET,
    "NewPasswordForm.new": SECRET,
    "NewPasswordForm.repeated": SECRET,
    "ChangePasswordForm.new": SECRET,
    "ChangePasswordForm.repeated": SECRET,
    "ChangePasswordForm.current": SECRET,
    "CodeForm.code": SECRET,
    "RecoveryForm.code": SECRET,
    "AppNameForm.name": STAFF,
    "PasskeyForm.name": STAFF,
    "NewPersonForm.name": STAFF,
    "NewPersonForm.email": STAFF,
    "NewPersonForm.title": STAFF,
    "NewPersonForm.department": STAFF,
    "AccountForm.name": STAFF,
    "TokenForm.name": STAFF,
    "SearchForm.q": "looked for among the names of accounts, and not kept",
    "RoleForm.kind": CHOSEN,
    "RoleForm.role": CHOSEN,
    "EndAllForm.confirm": CHOSEN,
    "DecideForm.opened": "signed by ourselves",
    "BulkForm.opened": "signed by ourselves",
    "RowForm.opened": "signed by ourselves",
    "FindForm.q": "looked for among the names of accounts, and not kept",
    "FindForm.department": "compared with departments of accounts, and not kept",
    "WrongMaskForm.token": CHOSEN,
    "TakeForm.what": "read as an address or id, and not kept",
    "BlockForm.network": "read as a network",
    "FindForm.find": "read as an address, and not kept",
    "FeedbackForm.comment": "masked by chat.services.rate, with the tokens of its conversation",
    "TermForm.words": "sealed by compliance.term_changes.propose",
    "VerifyForm.token": "the text of a certificate, compared with its signature and not kept",
    "Credentials.email": STAFF,
    "Credentials.password": SECRET,
    "Code.mfa_token": SECRET,
    "Code.code": SECRET,
    "Refresh.refresh": SECRET,
    "Networks.ips": "read as networks",
    "Blocking.ips": "read as networks",
    "Listing.cursor": CHOSEN,
    "Documents.cursor": CHOSEN,
    "Documents.collection": CHOSEN,
    "Documents.specialty": CHOSEN,
    "Releases.cursor": CHOSEN,
    "Releases.collection": CHOSEN,
    "Changes.cursor": CHOSEN,
    "Sending.collection": CHOSEN,
    "Checking.drugs": "masked by chat.interactions.checks.keep where not recognized; the rest is words of the table",
    "Checking.text": "masked by the service before it is looked at, and not kept",
    "ChangeForm.a": "read as a medicine of the table; only its id is kept",
    "ChangeForm.b": "read as a medicine of the table; only its id is kept",
    "ChangeForm.source_name": "of a publication, which a second person reads; masking takes its author for a patient",
    "ChangeForm.source_ref": "of a publication, which a second person reads; masking takes its author for a patient",
    "ApplyForm.digest": "compared with that of the release in use, and not kept",
    "Looked.q": "compared with names of the table, and not kept",
    "Remarks.cursor": CHOSEN,
    "Requests.cursor": CHOSEN,
    "Requests.department": "compared with those of accounts, and not kept",
    "CohortAsked.department": "compared with those of accounts, and not kept",
    "CohortAsked.q": "looked for among the names of accounts, and not kept",
    "CheckAnswer.answer": CHOSEN,
    "Deciding.opened": "signed by us",
    "Verification.token": "signed by us, and not kept",
    "Giving.subject": "a path without a query, a key or an id; anything else is refused",
    "Search.collection": CHOSEN,
    "Search.question": "masked by the view, as every search",
    **{f"{form}.{name}": SAID for form in ("Description", "DescriptionForm") for name in DESCRIBED},
    "AddForm.name": "of a collection, as everybody who searches sees it",
    "RemarkForm.about": CHOSEN,
    "RemarkForm.subject": "a path, a slug or an id of ours; compliance.remarks.subject_of drops anything else",
    "CohortForm.q": "looked for among the names of accounts, and not kept",
    "CohortForm.department": "compared with the departments of accounts, and not kept",
    "AssetForm.address": "as it is found running; letters, digits and few signs, no spaces",
    "DeclareForm.address": "compared with what is found running",
    "VendorForm.name": "the name of a company; masking takes companies for people",
    "VendorForm.hosts": "read as names of hosts",
    "DisclosureForm.recipient": "who received it, whom 45 CFR 164.528(b)(2) requires to be named",
    "DisclosureForm.record_number": PSEUDONYM,
    "PatientForm.record_number": PSEUDONYM,
    "AmendmentForm.record_number": PSEUDONYM,
    "HoldForm.subject": SUBJECT,
    "ErasureForm.subject": SUBJECT,
    "ExportForm.patient": "a pseudonym; anything else is refused",
    "RestoreForm.typed_name": "compared with the name of the snapshot, and not kept",
    "RollingBack.typed_name": "compared with the name of the snapshot, and not kept",
    "Restoring.typed_name": "compared with the name of the snapshot, and not kept",
    "Snapshots.environment": CHOSEN,
    "Snapshots.cursor": CHOSEN,
    "admin User.email": STAFF,
    "admin User.name": STAFF,
    "admin User.title": STAFF,
    "admin User.department": STAFF,
}
MASKERS = {
    "compliance/masking.py": "the choke point",
    "compliance/logs/masking.py": "log lines, which keep ids and literal texts as they are",
    "compliance/phi_checks.py": "looks whether anything was left in what is stored",
    "compliance/management/commands/phi_mask.py": "masks one text on a terminal",
    "chat/management/commands/evaluate.py": "measures the masker itself",
}
PROTOCOL = {"state", "iss", "code", "error", "next"}
"""Parameters of signing in, which are compared, exchanged or followed."""
WAYS_OUT = re.compile(
    r"django\.core\.mail|from django\.core import .*\bmail\b|smtplib|email\.mime|mail_admins|EmailMessage"  # e-mail
    r"|\b(?:openai|anthropic|litellm|llama_cpp|ollama|boto3\.client\(.bedrock)|llama_index\.llms"  # models
    r"|\b(?:FileField|ImageField|default_storage)\b"  # files
)
MAILER = "compliance/mail.py"
"""Notices, which hold no patient data, for the server that is configured."""
OTHER_MACHINES = {
    "training/statements.py": "what was learned and passed, under the ids of accounts, where a store is configured",
    "chat/llm/endpoint.py": "passages of the library and masked questions, where an endpoint is configured",
    "clinchat/lib/keys/kms.py": "keys, never what they seal",
    "clinchat/lib/keys/vault.py": "keys, never what they seal",
    "clinchat/local/__main__.py": "the portal on this machine, whether it is up",
    "compliance/continuity/storage/bucket.py": "backups, encrypted before, where a bucket is configured",
    "compliance/directory/ldap.py": "the e-mail address of who signs in",
    "compliance/directory/oidc.py": "a code of the provider, for who signs in",
}


# ── Tables ─────────────────────────────────────────────────────────────────────────────────────────────────────


def text_columns() -> Iterator[str]:
    for model in apps.get_models(include_auto_created=True):
        for column in model._meta.concrete_fields:
            kind = column.base_field if isinstance(column, ArrayField) else column
            if isinstance(kind, TEXT) and not kind.choices:
                yield f"{model._meta.label}.{column.name}"


def test_every_text_column_is_listed_once() -> None:
    there = set(text_columns())
    listed = Counter(column for sink in SINKS for column in sink.columns)
    assert len(there) > 80
    assert there - set(listed) == set(), "say in compliance/sinks.py how these are kept clear of patients"
    assert set(listed) - there == set()
    assert {column for column, times in listed.items() if times > 1} == set()


def test_what_is_said_to_be_sealed_is() -> None:
    sealed = {
        f"{m._meta.label}.{f.name}" for m in apps.get_models() for f in m._meta.fields if isinstance(f, SealedField)
    }
    keys = {"compliance.Authenticator.key"}
    assert sealed - keys == {c for s in SINKS if s.how is How.SEALED for c in s.columns} & sealed
    beside = {c for s in SINKS if s.how is How.SEALED for c in s.columns} - sealed
    assert beside == {
        *(f"compliance.VaultEntry.{name}" for name in ("token", "label", "patient")),
        "compliance.MaskReport.token",
        "compliance.BreakGlass.object_type",
    }


def test_every_sink_names_a_test_that_exists() -> None:
    for sink in SINKS:
        path, _, function = sink.test.partition("::")
        source = (ROOT / "tests" / path).read_text()
        assert re.search(rf"^(?:async )?def {function}\b", source, re.MULTILINE), f"{sink.name}: {sink.test}"
        assert sink.why.endswith("."), sink.name


# ── Forms ──────────────────────────────────────────────────────────────────────────────────────────────────────


def subclasses(cls: type[Any]) -> Iterator[type[Any]]:
    for one in cls.__subclasses__():
        yield one
        yield from subclasses(one)


def modules() -> None:
    for package in PRODUCT:
        root = importlib.import_module(package)
        for found in pkgutil.walk_packages(root.__path__, f"{package}."):
            if not re.search(r"migrations|__main__|\.standalone|\.asgi$|\.wsgi$|phi\.build$", found.name):
                importlib.import_module(found.name)


def prose_of_forms() -> Iterator[tuple[str, Any]]:
    modules()
    for form in set(subclasses(forms.BaseForm)):
        if form.__module__.partition(".")[0] in PRODUCT:
            for name, field in form.base_fields.items():
                if isinstance(field, forms.CharField) and not isinstance(field, NOT_PROSE):
                    yield f"{form.__name__}.{name}", field


def prose_of_the_api() -> Iterator[tuple[str, Any]]:
    for body in set(subclasses(Body)):
        for name, field in body._declared_fields.items():
            inner = getattr(field, "child", field)
            if isinstance(inner, serializers.CharField):
                yield f"{body.__name__}.{name}", inner


def prose_of_the_admin() -> Iterator[tuple[str, Any]]:
    request = RequestFactory().get("/")
    request.user = SimpleNamespace(has_perm=lambda *_: True)  # type: ignore[assignment]  # all that is asked here
    for model, pages in admin.site._registry.items():
        if pages.has_add_permission(request) or pages.has_change_permission(request):
            for name, field in pages.get_form(request).base_fields.items():
                if isinstance(field, forms.CharField) and not isinstance(field, NOT_PROSE):
                    yield f"admin {model.__name__}.{name}", field


def test_every_field_that_takes_prose_masks_it() -> None:
    found = dict([*prose_of_forms(), *prose_of_the_api(), *prose_of_the_admin()])
    assert len(found) > 40
    unmasked = {
        name for name, field in found.items() if not isinstance(field, (FreeTextField, FreeText, QuestionField))
    }
    assert unmasked == set(ALLOWED), "a FreeTextField, or a reason here"


def test_no_view_reads_prose_past_a_form() -> None:
    """What is taken from a request by name is a protocol's, or is listed with what it is."""
    taken = re.compile(r"request\.POST(?:\.get\(|\[)\s*\"(\w+)\"")
    known = {"next", "answer", "purpose", "record_number", "format", "kind"}
    found = {name for path in sources(*PRODUCT) for name in taken.findall(path.read_text())}
    assert found == known


# ── Code ───────────────────────────────────────────────────────────────────────────────────────────────────────


def masks(tree: ast.AST) -> bool:
    """Whether a module asks the masker itself."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="phi" | "engine"), attr="mask" | "find"):
                return True
            case ast.ImportFrom(module="compliance.phi" | "compliance.phi.engine", names=names):
                if {"mask", "find", "engine"} & {name.name for name in names}:
                    return True
            case ast.Import(names=names) if any(name.name.startswith("compliance.phi") for name in names):
                return True
    return False


def test_only_the_choke_point_asks_the_masker() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in sources(*PRODUCT)
        if "compliance/phi/" not in str(path) and masks(ast.parse(path.read_text()))
    }
    assert found == set(MASKERS)


def test_what_is_sent_to_a_worker_is_an_id() -> None:
    sent = re.compile(r"\.(?:delay|apply_async|send_task)\b")
    one = r"(?:str\((?:\w+\.)*(?:pk|\w*id)\)|(?:\w+\.)*(?:pk|\w*id))"
    fits = re.compile(rf"{one}|\({one},\)")
    calls = 0
    for path in sources("chat", "training", "compliance"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and sent.search(f".{getattr(node.func, 'attr', '')}"):
                calls += 1
                named = [k.value for k in node.keywords if k.arg not in {"expires", "countdown"}]  # of the queue
                given = [ast.unparse(a) for a in [*node.args, *named]]
                assert all(fits.fullmatch(one) for one in given), f"{path.relative_to(ROOT)}: {given}"
    assert calls >= 2


def test_every_parameter_of_an_address_is_known() -> None:
    """What is typed into one is replaced before the address is kept (compliance.access.next_page)."""
    taken = re.compile(r"(?:request\.GET(?:\.get\(|\[)|_number\(request,)\s*\"(\w+)\"")
    found = {name for path in sources(*PRODUCT) for name in taken.findall(path.read_text())}
    field = re.compile(r"name=\"(\w+)\"")
    for template in (ROOT / "templates").rglob("*.html"):
        for form in re.findall(r"<form[^>]*method=\"get\".*?</form>", template.read_text(), re.DOTALL):
            found |= set(field.findall(form))
    read_as_a_whole = {
        *FindForm.base_fields,
        *SearchForm.base_fields,
        *DayForm.base_fields,
        *FindSnapshotsForm.base_fields,
    }
    found |= {*search.NAMES, "after", "before"} | read_as_a_whole
    assert found >= {"q", "page", "for"}
    assert (found - PROTOCOL) | {"code"} == next_page.TYPED | next_page.CODES | next_page.OBJECTS


def test_there_is_no_way_out_that_nobody_wrote_down() -> None:
    """No e-mail, no model, no file of a person: each needs the masker in front of it, and a line in sinks.py."""
    for path in sources(*PRODUCT):
        goes_out = WAYS_OUT.search(path.read_text())
        assert bool(goes_out) == (path == ROOT / MAILER), path.relative_to(ROOT)


def test_only_these_speak_to_other_machines() -> None:
    speaks = re.compile(
        r"^\s*(?:import|from) (?:requests|httpx|urllib\.request|http\.client|boto3|hvac|ldap3|authlib)\b", re.M
    )
    found = {str(p.relative_to(ROOT)) for p in sources(*PRODUCT) if speaks.search(p.read_text())}
    assert found == set(OTHER_MACHINES)


# ── The document ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_document_has_the_list() -> None:
    text = (ROOT / "docs/phi.md").read_text()
    section = text.split("## Where text goes\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    assert rows == [f"| {sink.name} | {sink.how} | {sink.why} |" for sink in SINKS]


@pytest.mark.parametrize("source", ["phi.mask(x)", "from compliance.phi.engine import find", "import compliance.phi"])
def test_the_guard_sees_a_call(source: str) -> None:
    assert masks(ast.parse(source))
