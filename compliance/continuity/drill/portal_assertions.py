"""The compliance app's assertions: figures of the manifest, audit trail, accounts, used codes, network blocks, sign-in,
encrypted values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Model
from django.urls import reverse
from psycopg import sql

from clinchat.lib.keys import Unsealable
from clinchat.lib.sealed_field import SealedField
from compliance import audit
from compliance import data_keys as conversation_keys
from compliance.access.roles import Role
from compliance.audit import guards, seal, verify
from compliance.continuity.backup import contents, figures
from compliance.continuity.drill import invariants
from compliance.continuity.drill.assertions import (
    CannotEvaluate,
    RestoredCopy,
    assertion,
    clock_at,
    listed,
    passed_unless,
    step_time,
)
from compliance.controls import canary, visits
from compliance.models import (
    Authenticator,
    DataKey,
    NetworkBlock,
    Seal,
    SealedEvent,
    Session,
    User,
    VaultEntry,
)
from compliance.models.factors import STEP_SECONDS

Figures = Mapping[str, Mapping[str, Any]]
SAMPLE: Final = 3
"""How many accounts, authenticators and networks are tried through the application. The facts of all are compared."""
_SEQUENCES: Final = """
SELECT s.oid::regclass::text, t.oid::regclass::text, a.attname FROM pg_class s
JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
JOIN pg_class t ON t.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE s.relkind = 'S' AND s.relnamespace = 'public'::regnamespace ORDER BY 1
"""

# ── Figures of the manifest ───────────────────────────────────────────────────────────────────────────────────────


@assertion("schema")
def schema(copy: RestoredCopy) -> tuple[bool, str]:
    """Applied migrations equal the manifest's, and every constraint of the live database exists."""
    executor = MigrationExecutor(connection)
    applied = sorted(f"{app}.{name}" for app, name in executor.recorder.applied_migrations())
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    wanted = sorted(copy.manifest["schema"]["migrations"])
    if applied == wanted and waiting:
        raise CannotEvaluate(f"it was made by an older release, {len(waiting)} migrations before this one.")
    missing = {*copy.live_objects.get("constraints", [])} - {*invariants.schema_objects()["constraints"]}
    if missing:
        return False, f"without {listed(sorted(missing))}"
    return applied == wanted, f"{len(applied)} migrations of {len(wanted)}"


@assertion("rows")
def rows(copy: RestoredCopy) -> tuple[bool, str]:
    """Each table has as many rows as the manifest says."""
    found, other = _compared(copy, "rows")
    total = sum(one["rows"] for one in found.values())
    return passed_unless(other, f"{total:,} rows in {len(found)} tables", "other in")


@assertion("checksums")
def checksums(copy: RestoredCopy) -> tuple[bool, str]:
    """The checksum over each table's rows is the manifest's."""
    found, other = _compared(copy, "sum")
    return passed_unless(other, f"{len(found)} tables", "other in")


def _compared(copy: RestoredCopy, what: str) -> tuple[Figures, list[str]]:
    """The figures of all tables, and the names of those whose figure `what` differs from the manifest's."""
    wanted: Figures = copy.manifest["rows"]
    with connection.cursor() as cursor:
        found = figures.table_checksums(cursor)
    tables = sorted({*wanted, *found})
    return found, [name for name in tables if wanted.get(name, {}).get(what) != found.get(name, {}).get(what)]


@assertion("data_keys")
def data_keys(copy: RestoredCopy) -> tuple[bool, str]:
    """The dump contains no data key, so that values erased later stay unreadable in it (crypto-erase)."""
    found = DataKey.objects.count()
    return found == 0, f"{found} keys of conversations"


@assertion("seal")
def newest_seal(copy: RestoredCopy) -> tuple[bool, str]:
    """Number of the newest seal and count of events equal the manifest's."""
    with connection.cursor() as cursor:
        found = figures.audit_head(cursor)
    wanted = copy.manifest["audit"]
    return found == wanted, f"seal {found['seal']} and {found['events']:,} events, {wanted['seal']} in the manifest"


@assertion("sequences")
def sequences(copy: RestoredCopy) -> tuple[bool, str]:
    """The next value of each sequence is greater than any in its column."""
    behind, found = [], 0
    with connection.cursor() as cursor:
        cursor.execute(_SEQUENCES)
        for name, table, column in cursor.fetchall():
            statement = sql.SQL(
                "SELECT coalesce((SELECT max({column}) FROM {table}), 0) >= last_value + is_called::int FROM {name}"
            )
            cursor.execute(statement.format(column=sql.Identifier(column), table=_named(table), name=_named(name)))
            found += 1
            behind += [name] if cursor.fetchone()[0] else []
    return passed_unless(behind, f"{found} sequences", "behind:")


def _named(name: str) -> sql.Composable:
    return sql.Identifier(*(part.strip('"') for part in name.split(".")))


@assertion("indexes")
def indexes(copy: RestoredCopy) -> tuple[bool, str]:
    """Every index of the live database exists, vector indexes included, and all indexes are valid."""
    found = invariants.schema_objects()["indexes"]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class c ON c.oid = indexrelid "
            "WHERE NOT (indisvalid AND indisready) AND c.relnamespace = 'public'::regnamespace"
        )
        unusable = [name for (name,) in cursor.fetchall()]
    gone = sorted({*copy.live_objects.get("indexes", [])} - {*found}) + unusable
    return passed_unless(gone, f"{len(found)} indexes", "without")


@assertion("passages")
def passages(copy: RestoredCopy) -> tuple[bool, str]:
    """The search finds the same passages for the reference questions as when the backup was made."""
    wanted, found = copy.manifest["questions"], contents.known_questions()
    if wanted is None or found is None:
        raise CannotEvaluate("the search does not work here, or did not where the backup was made.")
    return found == wanted, f"{sum(one in wanted for one in found)} of {len(wanted)} questions with the same passages"


# ── Audit trail ───────────────────────────────────────────────────────────────────────────────────────────────────


@assertion("triggers")
def triggers(copy: RestoredCopy) -> tuple[bool, str]:
    """The triggers that record changes or refuse them exist and are enabled."""
    found = invariants.schema_objects()["triggers"]
    wrong = sorted({f"{kind} {place}" for kind, place, _ in guards.weaknesses()})
    wrong += sorted({*copy.live_objects.get("triggers", [])} - {*found})
    return passed_unless(wrong, f"{len(found)} triggers")


@assertion("trail_continues", commits=True)
def trail_continues(copy: RestoredCopy) -> tuple[bool, str]:
    """A new event can be written and is sealed in a new seal, after the restored ones."""
    before = Seal.objects.order_by("-number").first()
    event = audit.record(code=audit.Code.SYS_RESTORE, action=audit.Crude.EXECUTE, detail={"drill": True})
    seal.seal_all(streams=False)
    leaf = SealedEvent.objects.filter(event=event).select_related("seal").first()
    if leaf is None:
        return False, "an event was written and not sealed"
    ok = leaf.seal.number > (before.number if before else 0)
    return ok, f"an event was sealed at place {leaf.position}, in seal {leaf.seal.number}"


@assertion("trail")
def trail(copy: RestoredCopy) -> tuple[bool, str]:
    """A full verification of all events, seals and checkpoints finds no problem."""
    report = verify.verify(scope=verify.Scope.FULL)
    kinds = sorted({problem.kind for problem in report.problems})
    seen = f"{report.events:,} events in {report.seals:,} seals"
    return report.ok, seen + (f", {report.count} problems: {listed(kinds)}" if kinds else "")


# ── People ────────────────────────────────────────────────────────────────────────────────────────────────────────


@assertion("people")
def people(copy: RestoredCopy) -> tuple[bool, str]:
    """Closed accounts, revoked sign-ins, tokens and clearances, and holds are still so; some accounts are tried."""
    wrong = _missing(copy, "closed accounts", "revoked sign-ins", "revoked tokens", "revoked clearances", "holds")
    wrong += _other_figures(copy)
    wrong += [f"session of {user}" for user in Session.objects.filter(user__is_active=False).values_list("user")[:5]]
    closed = list(User.objects.filter(is_active=False, is_service=False).order_by("-closed_at", "pk")[:SAMPLE])
    with visits.apart("restore.drill_recent"):
        wrong += [f"account {one.pk} opens" for one in closed if _opens(one)]
    number = len(copy.live_facts.get("closed accounts", []))
    return passed_unless(wrong, f"{number} closed accounts, {len(closed)} tried")


def _other_figures(copy: RestoredCopy) -> list[str]:
    """Names of the counts in figures.people that are lower than the manifest's."""
    with connection.cursor() as cursor:
        found = figures.access_counts(cursor)
    wanted = copy.manifest["people"]
    return [name for name in wanted if found.get(name, 0) < wanted[name]]


def _opens(user: User) -> bool:
    browser = canary.another(user)
    return browser.get(reverse("settings")).status_code == 200


@assertion("used_codes")
def used_codes(copy: RestoredCopy) -> tuple[bool, str]:
    """Used one-time codes and links are refused: the last code of some authenticators is replayed at its own time."""
    wrong = _missing(copy, "used codes", "used links")
    devices = list(Authenticator.objects.filter(confirmed=True, last_t__gte=0).order_by("-last_t", "pk")[:SAMPLE])
    if not devices:  # nobody has used a code yet
        devices = [canary.used_code(canary.account())]
    for device in devices:
        with clock_at(step_time(device.last_t, STEP_SECONDS)):
            code = f"{device.totp.token():06d}"
            wrong += [f"code of {device.uuid}"] if _accepted(device, code, last_t=device.last_t) else []
            if not _accepted(device, code, last_t=device.last_t - 1):
                raise CannotEvaluate("an authenticator does not know its own code.")
    return passed_unless(wrong, f"{len(devices)} codes shown again")


def _accepted(device: Authenticator, code: str, *, last_t: int) -> bool:
    device.last_t = last_t
    device.throttle_reset(commit=False)
    return device.verify_token(code)


@assertion("blocks")
def blocks(copy: RestoredCopy) -> tuple[bool, str]:
    """Blocked networks are still blocked: requests from some of them are answered with 403."""
    from compliance.access import networks

    wrong = _missing(copy, "blocked networks")
    live = list(NetworkBlock.objects.filter(ended_at=None, ends_at=None).order_by("made_at", "pk")[:SAMPLE])
    with visits.apart("restore.drill_recent"):
        networks.forget()
        for one in live:
            browser = canary.client(source=str(one.network.network_address))
            wrong += [f"{one.network} is answered"] if browser.get(reverse("signin")).status_code != 403 else []
        if canary.client().get(reverse("signin")).status_code != 200:
            raise CannotEvaluate("nobody is answered.")
    number = len(copy.live_facts.get("blocked networks", []))
    return passed_unless(wrong, f"{number} blocked, {len(live)} tried")


def _missing(copy: RestoredCopy, *kinds: str) -> list[str]:
    """Facts of these kinds that the copy lacks, counted by kind (invariants)."""
    wanted = {kind: copy.live_facts.get(kind, []) for kind in kinds}
    gone = invariants.missing(wanted, invariants.revoked_before(copy.as_of))
    return [f"{len(names)} {kind}" for kind, names in gone.items()]


@assertion("sign_in")
def sign_in(copy: RestoredCopy) -> tuple[bool, str]:
    """A new account signs in with password and code through the views, and opens a page."""
    person = canary.person(Role.CLINICIAN, signed_in=False, cleared=True)
    device = Authenticator.objects.get(user=person.user)
    with visits.apart("restore.drill_recent"):
        browser = canary.client()
        visits.send(browser, "POST", reverse("signin"), {"email": person.user.email, "password": person.password})
        visits.send(browser, "POST", reverse("signin-code"), {"code": f"{device.totp.token():06d}"})
        page = browser.get(reverse("settings"))
    return page.status_code == 200, f"password and code were sent, the next page was answered with {page.status_code}"


# ── Encrypted values ──────────────────────────────────────────────────────────────────────────────────────────────


@assertion("sealed_values")
def sealed_values(copy: RestoredCopy) -> tuple[bool, str]:
    """The newest value of each SealedField decrypts, with this installation's keys and the copy of the data keys."""
    if copy.data_keys:
        conversation_keys.load(copy.data_keys.encode("ascii"))
    opened, empty, wrong = 0, 0, []
    for model in apps.get_models():
        for one in model._meta.get_fields():  # noqa: SLF001  # documented by Django
            if not isinstance(one, SealedField):
                continue
            found = _newest(model, one)
            if found is None:
                empty += 1
                continue
            try:
                getattr(found, one.attname)
                opened += 1
            except Unsealable:
                wrong.append(f"{model._meta.db_table}.{one.column}")  # noqa: SLF001  # as above
    return passed_unless(wrong, f"{opened} columns open, {empty} are empty", "not:")


def _newest(model: type[Model], column: SealedField) -> Model | None:
    """The newest row with a value in the column; none of a conversation whose data key was destroyed."""
    found = model._default_manager.exclude(**{f"{column.attname}__isnull": True})  # noqa: SLF001  # documented by Django
    if model is VaultEntry:
        found = found.exclude(scope__in=DataKey.objects.filter(key=None).values("scope"))
    return found.order_by("-pk").first()
