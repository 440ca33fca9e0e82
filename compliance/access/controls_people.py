"""Checks of accounts: who is named, who left, who is gone quiet, and that each account is one person's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import combinations
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Lower
from psycopg import sql

from clinchat.lib import clock
from compliance.access import factors, places
from compliance.access.decisions import allows
from compliance.access.roles import CLINICAL, MOST_ADMINISTRATORS, PURPOSES, Action, Role
from compliance.controls.attestations import OFFICES
from compliance.controls.registry import JSON, Found, check
from compliance.models import (
    AuditEvent,
    BreakGlass,
    Clearance,
    Code,
    Official,
    OneTimeLink,
    RoleAssignment,
    ServiceToken,
    Session,
    TokenFamily,
    User,
)

CLOSED_LAST: Final = 20
"""Accounts with kept roles of which it is asked whether these count."""
MOST_MINUTES: Final = 60
"""From the end of an account to the end of its sessions."""
LOOKS_BACK: Final = timedelta(days=365)
DORMANT: Final = timedelta(days=45)
CLOSING_HOUR: Final = (3, 10)
"""UTC, when the schedule closes what nobody uses (clinchat.schedule, review-accounts)."""
MAY_WAIT: Final = timedelta(hours=1)
"""For so long that task may stand in its queue."""
TOGETHER: Final = timedelta(minutes=15)
"""Sessions of one account that are both used within this time are open at once."""
GENERIC: Final = frozenset(
    {
        *("account", "admin", "administrator", "backoffice", "clinic", "clinician", "console", "default", "demo"),
        *("desk", "doctor", "emergency", "front", "frontdesk", "general", "generic", "group", "guest", "helpdesk"),
        *("icu", "info", "intern", "it", "kiosk", "lab", "manager", "nurse", "nurses", "nursing", "office"),
        *("operator", "pharmacy", "physician", "reception", "receptionist", "resident", "root", "service", "shared"),
        *("shift", "staff", "station", "student", "super", "superuser", "support", "sysadmin", "system", "team"),
        *("temp", "test", "tester", "trainee", "triage", "user", "ward", "workstation"),
    }
)
"""Words that name no person. A name or mailbox of nothing else is nobody's, or everybody's."""

OpenWork = Callable[[Iterable[UUID]], Iterable[UUID]]
_WORK: list[OpenWork] = []


def open_work(of: OpenWork) -> None:
    """Register what still runs for people: given their ids, those of whom something does. In AppConfig.ready()."""
    if of not in _WORK:
        _WORK.append(of)


@check("org.officials_named", seconds=5)
def officials_named() -> Found:
    """The holders of both offices the regulation asks for, their roles and second factors, and their deputies."""
    now, failing, deputies = clock.now(), [], 0
    wanted = (Official.Office.SECURITY, Official.Office.PRIVACY)
    for office in wanted:
        named = Official.objects.filter(Q(until=None) | Q(until__gt=now), office=office, since__lte=now)
        holders = [one.person for one in named.filter(deputy=False).select_related("person")]
        if len(holders) != 1:
            failing.append(f"{office}: {len(holders)} named")
        for person in holders:
            failing += [f"{office}: {what}" for what in _unfit(person, OFFICES[office])]
        others = [one.person for one in named.filter(deputy=True).select_related("person")]
        able = [person for person in others if person not in holders and not _unfit(person, None)]
        deputies += len(able)
        if not able:
            failing.append(f"{office}: no deputy")
    observed = f"{len(wanted)} offices, {deputies} deputies, {len(failing)} gaps"
    return Found(not failing, observed, max(len(wanted) * 5, len(failing)), failing, {"deputies": deputies})


def _unfit(person: User, role: Role | None) -> list[str]:
    """Why somebody cannot fill an office."""
    why = []
    if not person.is_active:
        why.append("account closed")
    if person.is_service:
        why.append("not a person")
    if not factors.has_factor(person):
        why.append("no second factor")
    if role is not None and role not in person.roles:
        why.append(f"does not hold {role}")
    return why


_DIRECT: Final = """
SELECT DISTINCT holder.relname FROM pg_constraint AS one
JOIN pg_class AS holder ON holder.oid = one.conrelid
JOIN pg_constraint AS other ON other.conrelid = one.conrelid AND other.contype = 'f'
WHERE one.contype = 'f' AND one.confrelid = 'compliance_user'::regclass
AND other.confrelid IN (SELECT oid FROM pg_class WHERE relname IN ('auth_permission', 'auth_group') AND relkind = 'r')
"""
_FLAGS: Final = """
SELECT attname FROM pg_attribute WHERE attrelid = 'compliance_user'::regclass AND NOT attisdropped
AND attname IN ('is_superuser', 'is_staff')
"""


@check("access.no_direct_perms", seconds=10)
def no_direct_permissions() -> Found:
    """Tables of the database that could tie a permission to a person, who administers, and what administrators did.

    Superusers are who holds the administrator's role; Django's flags for them have no column here.
    """
    failing, rows = [], 0
    with connection.cursor() as cursor:
        cursor.execute(_DIRECT)
        tables = [name for (name,) in cursor.fetchall()]
        for table in tables:
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
            (number,) = cursor.fetchone()
            rows += number
            if number:
                failing.append(f"{table}: {number} rows")
        cursor.execute(_FLAGS)
        failing += [f"compliance_user.{name}" for (name,) in cursor.fetchall()]
    administrators = set(RoleAssignment.objects.filter(role=Role.ADMIN).values_list("user_id", flat=True))
    if len(administrators) > MOST_ADMINISTRATORS:
        failing.append(f"{len(administrators)} administrators")
    clinical = RoleAssignment.objects.filter(user__in=administrators, role__in=CLINICAL)
    failing += [f"clinical role of {user}" for user in clinical.values_list("user_id", flat=True)]
    asked = AuditEvent.objects.filter(
        actor_id__in=administrators, purpose=PURPOSES[Action.ASK], actor_roles__contains=[str(Role.ADMIN)]
    ).exclude(outcome="denied")
    chats = asked.count()
    if chats:
        failing.append(f"{chats} events of treatment by administrators")
    if User(email="nobody", is_active=True).has_perm("compliance.view_user"):
        failing.append("permission without a role")
    people = User.objects.filter(is_active=True).count()
    observed = f"{rows} permissions of single people, {len(administrators)} administrators, {chats} chats by them"
    evidence: dict[str, JSON] = {"tables": [*tables], "administrators": len(administrators), "accounts": people}
    return Found(not failing, observed, people + len(failing), failing, evidence)


@check("access.terminated_have_nothing", zero_ok=True, seconds=5)
def terminated_have_nothing() -> Found:
    """Whatever closed accounts still hold open: sessions, tokens, links, emergency access, work and roles.

    An account closed for a while (not used, or by security) keeps its roles to be opened again with them; they count
    for nothing meanwhile, which is asked here of the one function that decides. Who has left keeps none.
    """
    now = clock.now()
    closed = dict(User.objects.filter(is_active=False).values_list("pk", "closed_because"))
    whose = {"user__is_active": False}
    left: Counter[str] = Counter()
    found: dict[str, list[UUID | None]] = {
        "session": list(Session.objects.filter(**whose).values_list("user_id", flat=True)),
        "API sign-in": list(TokenFamily.objects.live(now).filter(**whose).values_list("user_id", flat=True)),
        "token": list(ServiceToken.objects.live(now).filter(**whose).values_list("user_id", flat=True)),
        "link": list(OneTimeLink.objects.live().filter(**whose).values_list("user_id", flat=True)),
        "emergency": list(
            BreakGlass.objects.filter(ended_at=None, ends_at__gt=now, **whose).values_list("user_id", flat=True)
        ),
        "work": [person for work in _WORK for person in work(list(closed))],
        "role": list(
            RoleAssignment.objects.filter(user__closed_because=User.Closed.LEFT, **whose).values_list(
                "user_id", flat=True
            )
        ),
        "clearance": list(
            Clearance.objects.live(now)
            .filter(user__closed_because=User.Closed.LEFT, **whose)
            .values_list("user_id", flat=True)
        ),
    }
    found["right"] = list(_may_still())
    for kind, people in found.items():
        left.update({kind: len(people)})
    failing = [f"{kind} of {person}" for kind, people in found.items() for person in people]
    evidence: dict[str, JSON] = {"closed": len(closed), **left}
    observed = f"{len(closed)} closed accounts hold {len(failing)} things"
    return Found(not failing, observed, len(closed) + len(failing), failing, evidence)


def _may_still() -> Iterator[UUID]:
    """Of the accounts that were closed last and keep roles, those whose roles count all the same, signed in or not."""
    closed = User.objects.filter(is_active=False).filter(Exists(RoleAssignment.objects.filter(user=OuterRef("pk"))))
    for person in closed.order_by("-closed_at")[:CLOSED_LAST]:
        vars(person)["otp_device"] = person  # as a request shows them after both factors
        if any(allows(person, action) for action in Action):
            yield person.pk


@check("access.termination_latency", zero_ok=True, seconds=10)
def termination_latency() -> Found:
    """For every account closed in the last year, the last thing that ended or was done in its name after that.

    From the audit trail: the end of each of its sessions, and whatever it still did; and sessions there still are.
    """
    now = clock.now()
    closed = dict(User.objects.filter(is_active=False, closed_at__gte=now - LOOKS_BACK).values_list("pk", "closed_at"))
    last: dict[UUID, datetime] = {}

    def after(person: UUID | None, moment: datetime) -> None:
        at = closed.get(person) if person else None
        if person and at and moment > at:
            last[person] = max(moment, last.get(person, moment))

    if closed:
        since = min(at for at in closed.values() if at)
        ended = AuditEvent.objects.filter(
            timestamp__gte=since, code=Code.SESSION_EXPIRED, object_id__in=[str(pk) for pk in closed]
        )
        for person, moment in ended.values_list("object_id", "timestamp"):
            after(UUID(person), moment)
        done = AuditEvent.objects.filter(timestamp__gte=since, actor_id__in=closed).exclude(outcome="denied")
        for actor, moment in done.values_list("actor_id", "timestamp"):
            after(actor, moment)
        for owner in Session.objects.filter(user__in=closed, verified=True).values_list("user_id", flat=True):
            after(owner, now)
    late = {pk: (moment - at).total_seconds() / 60 for pk, moment in last.items() if (at := closed[pk])}
    failing = [f"{pk}: {minutes:.0f} min" for pk, minutes in late.items() if minutes > MOST_MINUTES]
    longest = max(late.values(), default=0.0)
    observed = f"{longest:.1f} min at most, of {len(closed)} accounts closed in 365 days"
    return Found(not failing, observed, len(closed), failing, {"longest_minutes": round(longest, 2)})


_UNUSED: Final = """
SELECT person.id FROM compliance_user AS person
LEFT JOIN LATERAL (SELECT max(seen_at) AS at FROM compliance_tokenfamily WHERE user_id = person.id) AS program ON true
LEFT JOIN LATERAL (SELECT max(last_used_at) AS at FROM compliance_servicetoken WHERE user_id = person.id) AS token
ON true
WHERE person.is_active
AND greatest(person.last_login, person.created_at, person.reopened_at, program.at, token.at) <= %s
"""


@check("access.dormant_disabled", seconds=5)
def dormant_disabled() -> Found:
    """Open accounts that nobody used for 45 days when the schedule last closed such accounts, early this morning.

    The last administrator's stays open whatever happens, so that somebody can open the others; it counts here.
    """
    now = clock.now()
    hour, minute = CLOSING_HOUR
    closing = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    closing = closing if closing + MAY_WAIT <= now else closing - timedelta(days=1)
    with connection.cursor() as cursor:
        cursor.execute(_UNUSED, [closing - DORMANT])
        failing = [str(pk) for (pk,) in cursor.fetchall()]
    people = User.objects.filter(is_active=True).count()
    return Found(not failing, f"{len(failing)} of {people} open accounts unused for 45 days", people, failing)


@check("identity.no_shared", seconds=10)
def no_shared() -> Found:
    """Names and mailboxes of open accounts, how the table keeps e-mails apart, and sessions in two countries at once.

    Sessions are compared by country where CLINCHAT_GEOIP_FILE knows it; networks alone do not tell a phone from a
    second person, so those are only counted. Demo accounts are default accounts wherever the demo is not asked for.
    """
    people = list(User.objects.filter(is_active=True, is_service=False).values_list("pk", "name", "email", "is_demo"))
    failing = [f"generic: {pk}" for pk, name, email, _ in people if _generic(name) or _of_nobody(email)]
    if not settings.CLINCHAT_DEMO:
        failing += [f"demo: {pk}" for pk, _, _, demo in people if demo]
    twice = User.objects.annotate(lower=Lower("email")).filter(
        Exists(User.objects.annotate(lower=Lower("email")).filter(lower=OuterRef("lower")).exclude(pk=OuterRef("pk")))
    )
    failing += [f"same e-mail: {pk}" for pk in twice.values_list("pk", flat=True)]
    if not _kept_apart():
        failing.append("no unique index on compliance_user.email")
    apart, networks = _at_once()
    failing += [f"two countries: {pk}" for pk in apart]
    observed = f"{len(people)} open accounts, {len(failing)} shared or default"
    return Found(not failing, observed, len(people) + len(failing), failing, {"in_two_networks": networks})


def _of_nobody(email: str) -> bool:
    """A mailbox that is only a number, as of an employee, is one person's."""
    mailbox = email.partition("@")[0]
    return not mailbox.isdecimal() and _generic(mailbox)


def _generic(text: str) -> bool:
    words = re.findall(r"[^\W\d_]+", text.casefold())
    return not words or all(word in GENERIC for word in words)


def _kept_apart() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0] "
            "WHERE indrelid = 'compliance_user'::regclass AND indisunique AND indisvalid AND indpred IS NULL "
            "AND indnatts = 1 AND attname = 'email'"
        )
        (unique,) = cursor.fetchone()
        cursor.execute(
            "SELECT count(*) FROM pg_constraint WHERE conrelid = 'compliance_user'::regclass AND contype = 'c' "
            "AND convalidated AND pg_get_constraintdef(oid) ILIKE '%%lower%%email%%'"
        )
        (lower,) = cursor.fetchone()
    return bool(unique and lower)


def _at_once() -> tuple[list[UUID], int]:
    """Whose sessions are in use in two countries at once, and how many people use two networks at once."""
    recent = (
        Session.objects.filter(verified=True, seen_at__gte=clock.now() - TOGETHER)
        .exclude(source=None)
        .exclude(user=None)
    )
    of: dict[UUID, set[str]] = {}
    for person, source in recent.values_list("user_id", "source"):
        if source:
            of.setdefault(person, set()).add(source)
    apart, networks = [], 0
    for person, sources in of.items():
        networks += len({places.network_of(source) for source in sources}) > 1
        countries = {country for source in sources if (country := places.country_of(source))}
        if any(combinations(countries, 2)):
            apart.append(person)
    return apart, networks
