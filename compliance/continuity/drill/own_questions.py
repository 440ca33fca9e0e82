"""The questions of the compliance app: figures, trail, people, codes, blocks, sign-in, sealed values."""

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
from compliance import data_keys as keys_of_conversations
from compliance.access.roles import Role
from compliance.audit import guards, seal, verify
from compliance.continuity.backup import contents, figures
from compliance.continuity.drill import standing
from compliance.continuity.drill.questions import CannotAsk, Copy, clock_at, listed, question, so_unless, step_time
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
TRIED: Final = 3
"""People, apps and networks that are tried through the application itself; of all others the figures are compared."""
_SEQUENCES: Final = """
SELECT s.oid::regclass::text, t.oid::regclass::text, a.attname FROM pg_class s
JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
JOIN pg_class t ON t.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE s.relkind = 'S' AND s.relnamespace = 'public'::regnamespace ORDER BY 1
"""

# ── Figures: as the manifest has them ─────────────────────────────────────────────────────────────────────────────


@question("schema")
def schema(copy: Copy) -> tuple[bool, str]:
    """The migrations that were applied, and constraints that hold."""
    executor = MigrationExecutor(connection)
    applied = sorted(f"{app}.{name}" for app, name in executor.recorder.applied_migrations())
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    wanted = sorted(copy.manifest["schema"]["migrations"])
    if applied == wanted and waiting:
        raise CannotAsk(f"it was made by an older release, {len(waiting)} migrations before this one.")
    missing = {*copy.objects.get("constraints", [])} - {*standing.objects()["constraints"]}
    if missing:
        return False, f"without {listed(sorted(missing))}"
    return applied == wanted, f"{len(applied)} migrations of {len(wanted)}"


@question("rows")
def rows(copy: Copy) -> tuple[bool, str]:
    """How many rows each table has."""
    found, other = _compared(copy, "rows")
    total = sum(one["rows"] for one in found.values())
    return so_unless(other, f"{total:,} rows in {len(found)} tables", "other in")


@question("checksums")
def checksums(copy: Copy) -> tuple[bool, str]:
    """What stands in them."""
    found, other = _compared(copy, "sum")
    return so_unless(other, f"{len(found)} tables", "other in")


def _compared(copy: Copy, what: str) -> tuple[Figures, list[str]]:
    """The figures of each table as they are, and the tables of which the manifest says something else."""
    wanted: Figures = copy.manifest["rows"]
    with connection.cursor() as cursor:
        found = figures.table_checksums(cursor)
    tables = sorted({*wanted, *found})
    return found, [name for name in tables if wanted.get(name, {}).get(what) != found.get(name, {}).get(what)]


@question("data_keys")
def data_keys(copy: Copy) -> tuple[bool, str]:
    """A backup holds no key of a conversation: what was erased must stay noise in it."""
    found = DataKey.objects.count()
    return found == 0, f"{found} keys of conversations"


@question("seal")
def newest_seal(copy: Copy) -> tuple[bool, str]:
    """The trail ends where the manifest says it does."""
    with connection.cursor() as cursor:
        found = figures.audit_head(cursor)
    wanted = copy.manifest["audit"]
    return found == wanted, f"seal {found['seal']} and {found['events']:,} events, {wanted['seal']} in the manifest"


@question("sequences")
def sequences(copy: Copy) -> tuple[bool, str]:
    """The next number of each sequence is not taken."""
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
    return so_unless(behind, f"{found} sequences", "behind:")


def _named(name: str) -> sql.Composable:
    return sql.Identifier(*(part.strip('"') for part in name.split(".")))


@question("indexes")
def indexes(copy: Copy) -> tuple[bool, str]:
    """Every index of the live database, usable; those of vectors among them."""
    found = standing.objects()["indexes"]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class c ON c.oid = indexrelid "
            "WHERE NOT (indisvalid AND indisready) AND c.relnamespace = 'public'::regnamespace"
        )
        unusable = [name for (name,) in cursor.fetchall()]
    gone = sorted({*copy.objects.get("indexes", [])} - {*found}) + unusable
    return so_unless(gone, f"{len(found)} indexes", "without")


@question("passages")
def passages(copy: Copy) -> tuple[bool, str]:
    """Questions the manifest knows the answers to are given the same ones."""
    wanted, found = copy.manifest["questions"], contents.known_questions()
    if wanted is None or found is None:
        raise CannotAsk("the search does not work here, or did not where the backup was made.")
    return found == wanted, f"{sum(one in wanted for one in found)} of {len(wanted)} questions with the same passages"


# ── The trail ─────────────────────────────────────────────────────────────────────────────────────────────────────


@question("triggers")
def triggers(copy: Copy) -> tuple[bool, str]:
    """What records and what refuses changes is there and switched on."""
    found = standing.objects()["triggers"]
    wrong = sorted({f"{kind} {place}" for kind, place, _ in guards.weaknesses()})
    wrong += sorted({*copy.objects.get("triggers", [])} - {*found})
    return so_unless(wrong, f"{len(found)} triggers")


@question("trail_continues", lasting=True)
def trail_continues(copy: Copy) -> tuple[bool, str]:
    """An event is written and sealed, behind the last one that was."""
    before = Seal.objects.order_by("-number").first()
    event = audit.record(code=audit.Code.SYS_RESTORE, action=audit.Crude.EXECUTE, detail={"drill": True})
    seal.seal_all(streams=False)
    leaf = SealedEvent.objects.filter(event=event).select_related("seal").first()
    if leaf is None:
        return False, "an event was written and not sealed"
    ok = leaf.seal.number > (before.number if before else 0)
    return ok, f"an event was sealed at place {leaf.position}, in seal {leaf.seal.number}"


@question("trail")
def trail(copy: Copy) -> tuple[bool, str]:
    """Every event, seal and checkpoint, read again."""
    report = verify.verify(scope=verify.Scope.FULL)
    kinds = sorted({problem.kind for problem in report.problems})
    said = f"{report.events:,} events in {report.seals:,} seals"
    return report.ok, said + (f", {report.count} problems: {listed(kinds)}" if kinds else "")


# ── People ────────────────────────────────────────────────────────────────────────────────────────────────────────


@question("people")
def people(copy: Copy) -> tuple[bool, str]:
    """Who was shut out stays shut out: accounts, sign-ins, tokens, clearances; some are tried in the application."""
    wrong = _lost(copy, "closed accounts", "revoked sign-ins", "revoked tokens", "revoked clearances", "holds")
    wrong += _other_figures(copy)
    wrong += [f"session of {user}" for user in Session.objects.filter(user__is_active=False).values_list("user")[:5]]
    closed = list(User.objects.filter(is_active=False, is_service=False).order_by("-closed_at", "pk")[:TRIED])
    with visits.apart("restore.drill_recent"):
        wrong += [f"account {one.pk} opens" for one in closed if _opens(one)]
    number = len(copy.live.get("closed accounts", []))
    return so_unless(wrong, f"{number} closed accounts, {len(closed)} tried")


def _other_figures(copy: Copy) -> list[str]:
    """Of what must never become less; the backup itself has what its manifest says."""
    with connection.cursor() as cursor:
        found = figures.access_counts(cursor)
    wanted = copy.manifest["people"]
    return [name for name in wanted if found.get(name, 0) < wanted[name]]


def _opens(user: User) -> bool:
    browser = canary.another(user)
    return browser.get(reverse("settings")).status_code == 200


@question("used_codes")
def used_codes(copy: Copy) -> tuple[bool, str]:
    """Codes that were used, and links: the last code of some authenticators is shown again, at its own time."""
    wrong = _lost(copy, "used codes", "used links")
    devices = list(Authenticator.objects.filter(confirmed=True, last_t__gte=0).order_by("-last_t", "pk")[:TRIED])
    if not devices:  # nobody has used a code yet
        devices = [canary.used_code(canary.account())]
    for device in devices:
        with clock_at(step_time(device.last_t, STEP_SECONDS)):
            code = f"{device.totp.token():06d}"
            wrong += [f"code of {device.uuid}"] if _accepted(device, code, last_t=device.last_t) else []
            if not _accepted(device, code, last_t=device.last_t - 1):
                raise CannotAsk("an authenticator does not know its own code.")
    return so_unless(wrong, f"{len(devices)} codes shown again")


def _accepted(device: Authenticator, code: str, *, last_t: int) -> bool:
    device.last_t = last_t
    device.throttle_reset(commit=False)
    return device.verify_token(code)


@question("blocks")
def blocks(copy: Copy) -> tuple[bool, str]:
    """Networks that were shut out stay so: a request from some of them is answered with a refusal."""
    from compliance.access import networks

    wrong = _lost(copy, "blocked networks")
    live = list(NetworkBlock.objects.filter(ended_at=None, ends_at=None).order_by("made_at", "pk")[:TRIED])
    with visits.apart("restore.drill_recent"):
        networks.forget()
        for one in live:
            browser = canary.client(source=str(one.network.network_address))
            wrong += [f"{one.network} is answered"] if browser.get(reverse("signin")).status_code != 403 else []
        if canary.client().get(reverse("signin")).status_code != 200:
            raise CannotAsk("nobody is answered.")
    number = len(copy.live.get("blocked networks", []))
    return so_unless(wrong, f"{number} blocked, {len(live)} tried")


def _lost(copy: Copy, *kinds: str) -> list[str]:
    """What stands in the live database, stood at the moment of the copy, and does not stand in it."""
    wanted = {kind: copy.live.get(kind, []) for kind in kinds}
    gone = standing.lost(wanted, standing.facts(copy.before))
    return [f"{len(names)} {kind}" for kind, names in gone.items()]


@question("sign_in")
def sign_in(copy: Copy) -> tuple[bool, str]:
    """Somebody signs in with password and code, through the whole application, and sees their page."""
    person = canary.person(Role.CLINICIAN, signed_in=False, cleared=True)
    device = Authenticator.objects.get(user=person.user)
    with visits.apart("restore.drill_recent"):
        browser = canary.client()
        visits.send(browser, "POST", reverse("signin"), {"email": person.user.email, "password": person.password})
        visits.send(browser, "POST", reverse("signin-code"), {"code": f"{device.totp.token():06d}"})
        page = browser.get(reverse("settings"))
    return page.status_code == 200, f"password and code were sent, the next page was answered with {page.status_code}"


# ── Sealed values ─────────────────────────────────────────────────────────────────────────────────────────────────


@question("sealed_values")
def sealed_values(copy: Copy) -> tuple[bool, str]:
    """The newest value of each sealed column opens, with the keys of this installation and those of conversations that
    lie beside the backups."""
    if copy.data_keys:
        keys_of_conversations.load(copy.data_keys.encode("ascii"))
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
    return so_unless(wrong, f"{opened} columns open, {empty} are empty", "not:")


def _newest(model: type[Model], column: SealedField) -> Model | None:
    """What was sealed with the key of a conversation that was destroyed is meant to stay shut."""
    found = model._default_manager.exclude(**{f"{column.attname}__isnull": True})  # noqa: SLF001  # documented by Django
    if model is VaultEntry:
        found = found.exclude(scope__in=DataKey.objects.filter(key=None).values("scope"))
    return found.order_by("-pk").first()
