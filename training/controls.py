"""The checks of onboarding and training: who may ask, what that rests on, and that its records stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from psycopg import sql

from clinchat.lib import clock
from compliance.access.roles import Action, Role, permitted_roles
from compliance.controls.registry import CannotLook, Found, check
from training.bank.types import SIX
from training.models.approvals import APPROVALS

GRACE: Final = timedelta(days=30)
"""The most that may pass between a change of content and having caught up with it."""
FIRST_WEEK: Final = timedelta(days=7)
REMINDED: Final = timedelta(days=90)
MOST_FAILED: Final = 0.02
"""Of the reminders that went out by e-mail."""

_CHAT: Final = """
    chat AS (
        SELECT u.id FROM compliance_user u
        WHERE u.is_active
        AND EXISTS (SELECT FROM compliance_clearance c WHERE c.user_id = u.id AND c.revoked_at IS NULL
            AND c.granted_at <= %(now)s AND c.expires_at > %(now)s)
        AND EXISTS (SELECT FROM compliance_roleassignment r WHERE r.user_id = u.id AND r.suspended_at IS NULL
            AND r.role = ANY(%(roles)s))
        AND NOT EXISTS (SELECT FROM compliance_roleassignment r WHERE r.user_id = u.id AND r.suspended_at IS NULL
            AND r.role = %(admin)s)
    )"""
"""Whoever can open chat at this moment: an open account, a live clearance, and a role that asks."""


def _rows(statement: str, **more: Any) -> list[Any]:
    now = clock.now()
    asked: dict[str, Any] = {
        "now": now,
        "today": timezone.localdate(now),
        "roles": sorted(permitted_roles(Action.ASK)),
        "admin": str(Role.ADMIN),
        "slugs": list(SIX),
        "steps": [str(step) for step in APPROVALS],
        "grace": GRACE,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, asked | more)
        return list(cursor.fetchall())


# ── Who may ask ────────────────────────────────────────────────────────────────────────────────────────────────

_UNAPPROVED: Final = f"""
    WITH {_CHAT}
    SELECT chat.id::text,
        r.stage IS DISTINCT FROM 'cleared',
        coalesce(d.steps, 0) <> cardinality(%(steps)s::text[]),
        coalesce(d.people, 0) <> cardinality(%(steps)s::text[]),
        coalesce(d.own, false),
        EXISTS (SELECT FROM compliance_clearance c WHERE c.user_id = chat.id AND c.revoked_at IS NULL
            AND c.granted_at <= %(now)s AND c.expires_at > %(now)s AND c.basis <> 'onboarding')
    FROM chat
    LEFT JOIN training_accessrequest r ON r.person_id = chat.id
    LEFT JOIN LATERAL (
        SELECT count(DISTINCT s.step) AS steps, count(DISTINCT s.by_id) AS people,
            bool_or(s.by_id = chat.id OR s.applicant_id <> chat.id OR g.owner_id IS NOT DISTINCT FROM chat.id) AS own
        FROM training_stagedecision s LEFT JOIN training_delegation g ON g.id = s.delegation_id
        WHERE s.request_id = r.id AND s.round = r.round AND s.step = ANY(%(steps)s)
    ) d ON true
"""  # noqa: S608  # words of the code alone
_WRONG_WITH_APPROVALS: Final = ("not_cleared", "stages_missing", "not_distinct", "own_approval", "not_by_onboarding")


@check("access.every_chat_user_approved")
def every_chat_user_approved() -> Found:
    """Everybody who can open chat now: all four approvals of the present round, by four people, not by themselves.

    A clearance that was given by hand, before there was onboarding, rests on no chain and fails.
    """
    rows = _rows(_UNAPPROVED)
    failing = [pk for pk, *wrong in rows if any(wrong)]
    why = {name: sum(row[place] for row in rows) for place, name in enumerate(_WRONG_WITH_APPROVALS, 1)}
    return Found(
        not failing,
        f"{len(failing)} of {len(rows)} people who can ask have no complete chain of approvals",
        len(rows),
        failing,
        {"people": len(rows), "stages": len(APPROVALS), **why},
    )


_LICENSES: Final = f"""
    WITH {_CHAT}
    SELECT chat.id::text,
        coalesce(r.license_kind, '') = '' OR coalesce(r.license_state, '') = '' OR r.license_until IS NULL,
        NOT EXISTS (SELECT FROM training_stagedecision s WHERE s.request_id = r.id AND s.round = r.round
            AND s.step = 'identity' AND s.by_id <> chat.id AND s.at <= %(now)s),
        coalesce(r.license_until < %(today)s, false)
    FROM chat LEFT JOIN training_accessrequest r ON r.person_id = chat.id
"""  # noqa: S608  # words of the code alone


@check("onboarding.license_verified")
def license_verified() -> Found:
    """Everybody who can ask: a license with its kind, issuer and last day, checked by somebody, and not expired.

    Active clinicians are those whom chat is open to; who is in training still has their license checked on the way.
    The number itself is looked up with the issuer by whoever checks, and is not kept here: the record is the decision
    of the identity check, with who made it and when.
    """
    rows = _rows(_LICENSES)
    failing = [pk for pk, *wrong in rows if any(wrong)]
    names = ("incomplete", "not_verified", "expired")
    return Found(
        not failing,
        f"{len(failing)} of {len(rows)} clinicians without a verified license that is in date",
        len(rows),
        failing,
        {"people": len(rows), **{name: sum(row[place] for row in rows) for place, name in enumerate(names, 1)}},
    )


# ── Training ───────────────────────────────────────────────────────────────────────────────────────────────────

_HELD: Final = """
    held AS (
        SELECT DISTINCT ON (c.person_id, c.slug) c.person_id, c.slug, c.issued_at,
            coalesce(v.loaded_at, c.issued_at) AS learned_at
        FROM training_certificate c
        LEFT JOIN training_moduleversion v ON v.slug = c.slug AND v.version = c.version
        WHERE c.revoked_at IS NULL AND c.expires_at > %(now)s AND c.slug = ANY(%(slugs)s)
        ORDER BY c.person_id, c.slug, learned_at DESC
    )"""
"""Valid certificates of modules, of each the one about the newest content."""
_CURRENT: Final = """
    SELECT {who}.id::text, count(*) FILTER (WHERE h.person_id IS NULL), count(*) FILTER (WHERE EXISTS (
        SELECT FROM training_moduleversion m
        WHERE m.slug = s.slug AND m.material AND m.loaded_at > h.learned_at
        AND greatest(m.loaded_at, h.issued_at) + %(grace)s <= %(now)s
        AND NOT EXISTS (SELECT FROM training_enrolment e
            JOIN training_attempt a ON a.enrolment_id = e.id AND a.passed
            JOIN training_moduleversion p ON p.id = a.version_id
            WHERE e.person_id = {who}.id AND e.slug = s.slug AND e.completed_at IS NOT NULL
            AND p.loaded_at >= m.loaded_at)))
    FROM {who} CROSS JOIN unnest(%(slugs)s::text[]) AS s(slug)
    LEFT JOIN held h ON h.person_id = {who}.id AND h.slug = s.slug
    GROUP BY {who}.id"""
"""Of each person: modules without a valid certificate, and with one that a change has overtaken for too long."""


@check("training.active_users_certified")
def active_users_certified() -> Found:
    """Everybody who can open chat: valid certificates of all six modules, caught up with each change of substance
    within thirty days of it, or of the certificate where an assessment was under way when the change came."""
    in_force = {slug for (slug,) in _rows("SELECT slug FROM training_moduleversion WHERE in_force")}
    if lacking := sorted(set(SIX) - in_force):
        raise CannotLook(f"{len(lacking)} of {len(SIX)} modules are not loaded")
    rows = _rows(f"WITH {_CHAT}, {_HELD} {_CURRENT.format(who='chat')}")
    failing = [pk for pk, lacks, overtaken in rows if lacks or overtaken]
    return Found(
        not failing,
        f"{len(failing)} of {len(rows)} people who can ask lack a certificate of the content in force",
        len(rows),
        failing,
        {
            "people": len(rows),
            "modules": len(SIX),
            "certificates_missing": sum(row[1] for row in rows),
            "changes_overdue": sum(row[2] for row in rows),
        },
    )


@check("training.staff_included")
def staff_included() -> Found:
    """Everybody with an open account, whatever they do here, is counted by the training dashboard, and is trained.

    As clinicians are, they have thirty days from the account on to pass the modules (enrolments.FIRST_DUE); people who
    can ask are the subject of training.active_users_certified and are only counted here.
    """
    from training import cohort, enrolments

    people = f"""WITH {_CHAT}, {_HELD},
        staff AS (SELECT id, created_at FROM compliance_user u WHERE is_active AND NOT is_service
            AND NOT EXISTS (SELECT FROM chat WHERE chat.id = u.id)),
        found AS ({_CURRENT.format(who="staff")})
        SELECT f.id, f.lacks > 0 OR f.overtaken > 0, staff.created_at <= %(late)s
        FROM found AS f(id, lacks, overtaken) JOIN staff ON staff.id = f.id::uuid"""  # noqa: S608  # words of the code alone
    rows = _rows(people, late=clock.now() - enrolments.FIRST_DUE)
    ((accounts,),) = _rows("SELECT count(*) FROM compliance_user WHERE is_active AND NOT is_service")
    uncounted = accounts - cohort.counted()
    untrained = [pk for pk, lacks, is_late in rows if lacks and is_late]
    return Found(
        not untrained and not uncounted,
        f"{len(untrained)} of {len(rows)} staff untrained after 30 days, {uncounted} not counted in the cohort",
        accounts,
        [*untrained, *(["training.cohort"] if uncounted and len(untrained) < accounts else [])],
        {
            "people": accounts,
            "staff": len(rows),
            "untrained": len(untrained),
            "in_their_first_month": sum(lacks and not is_late for _, lacks, is_late in rows),
            "not_in_the_cohort": uncounted,
        },
    )


# ── Records ────────────────────────────────────────────────────────────────────────────────────────────────────

_KEPT: Final = (
    *("moduleversion", "enrolment", "lessonread", "attempt", "answer", "certificate"),
    *("accessrequest", "delegation", "stagedecision"),
)
_UNCHANGED: Final = {
    "training_attempt": ("graded_no_change",),
    "training_answer": ("graded_answer_no_change",),
    "training_certificate": ("certificate_only_revoked",),
    "training_moduleversion": ("module_content_no_change",),
    "training_stagedecision": ("decision_no_change",),
}
_GUARDS: Final = """
    SELECT c.relname || '.' || t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND c.relnamespace = 'public'::regnamespace
    AND c.relname LIKE 'training\\_%%'
"""
_INCOMPLETE: Final = """
    SELECT e.id::text FROM training_enrolment e
    LEFT JOIN training_attempt a ON a.enrolment_id = e.id AND a.passed AND a.state = 'graded'
    LEFT JOIN training_moduleversion v ON v.id = a.version_id
    LEFT JOIN LATERAL (SELECT count(*) AS n FROM training_answer w
        WHERE w.attempt_id = a.id AND w.points IS NOT NULL) w ON true
    LEFT JOIN training_certificate c ON c.enrolment_id = e.id
    WHERE (e.completed_at IS NOT NULL OR c.id IS NOT NULL) AND (
        a.id IS NULL OR a.seed = '' OR a.points IS NULL OR a.submitted_at IS NULL OR v.sha256 = ''
        OR w.n <> a.most OR (e.kind <> 'change' AND (c.id IS NULL OR c.token = '')))
    ORDER BY 1
"""
_NUMBERS: Final = """
    SELECT e.id::text FROM training_enrolment e LEFT JOIN training_attempt a ON a.enrolment_id = e.id
    GROUP BY e.id HAVING count(a.id) <> coalesce(max(a.number), -1) ORDER BY 1
"""
_TOTALS: Final = """
    SELECT count(*), min(e.completed_at), count(*) FILTER (WHERE NOT a.attested)
    FROM training_enrolment e LEFT JOIN training_attempt a ON a.enrolment_id = e.id AND a.passed
    WHERE e.completed_at IS NOT NULL
"""
_GONE: Final = """
    SELECT DISTINCT v.object_id FROM (
        SELECT object_type, object_id FROM compliance_auditevent
        WHERE code = 'sensitive_create' AND timestamp > %(now)s - interval '6 years' ORDER BY timestamp LIMIT %(most)s
    ) v
    WHERE v.object_type = ANY(%(types)s) AND v.object_id <> ''
    AND NOT EXISTS (SELECT FROM training_certificate c WHERE c.id::text = v.object_id)
    AND NOT EXISTS (SELECT FROM training_attempt a WHERE a.id::text = v.object_id)
    ORDER BY 1
"""
_OLDEST: Final = 50_000
"""So many things that were made, the oldest of six years first, are looked for again."""


@check("training.records_6y", seconds=20)
def records_6y() -> Found:
    """Each completion, and each certificate, has its attempt, answers, form, version, points and certificate; none of
    it can be deleted, and each attempt and certificate that the oldest events of six years of audit trail saw
    being made is still there.

    What cannot be deleted is tried: one row of each table, in a part of the transaction that is taken back. A form
    whose time ran out is graded as it was saved; that nobody attested it then is on record with it, and is counted.
    """
    ((completions, oldest, unattested),) = _rows(_TOTALS)
    incomplete = [pk for (pk,) in _rows(_INCOMPLETE)]
    gaps = [pk for (pk,) in _rows(_NUMBERS)]
    gone = [pk for (pk,) in _rows(_GONE, most=_OLDEST, types=["training.Certificate", "training.Attempt"])]
    guards = {name for (name,) in _rows(_GUARDS)}
    wanted = [f"training_{table}.training_no_delete" for table in _KEPT]
    wanted += [f"{table}.{name}" for table, names in _UNCHANGED.items() for name in names]
    open_ = sorted({*(name for name in wanted if name not in guards), *_deletable()})
    failing = [*open_, *sorted({*incomplete, *gaps}), *gone]
    return Found(
        not failing,
        f"{completions} completions, {len(set(incomplete) | set(gaps))} incomplete, {len(gone)} records gone, "
        f"{len(open_)} tables not guarded",
        completions and completions + len(incomplete) + len(wanted) + len(_KEPT) + len(gaps) + len(gone),
        failing if completions else (),
        {
            "completions": completions,
            "oldest": oldest.date().isoformat() if oldest else "",
            "graded_when_time_was_up": unattested,
            "guards": len(wanted),
        },
    )


def _deletable() -> list[str]:
    """Tables one of whose rows could be deleted just now."""
    found = []
    for table in _KEPT:
        try:
            with transaction.atomic():
                if _deleted(f"training_{table}"):
                    found.append(f"training_{table}")
                transaction.set_rollback(True)
        except DatabaseError:
            continue
    return found


def _deleted(table: str) -> int:
    with connection.cursor() as cursor:
        delete = sql.SQL("DELETE FROM {0} WHERE ctid = (SELECT ctid FROM {0} LIMIT 1)")
        cursor.execute(delete.format(sql.Identifier(table)))
        return int(cursor.rowcount)


# ── Reminders ──────────────────────────────────────────────────────────────────────────────────────────────────

_REMINDED: Final = """
    SELECT u.id::text, u.created_at, n.told FROM compliance_user u LEFT JOIN LATERAL (
        SELECT count(*) AS told FROM compliance_notice n
        WHERE n.user_id = u.id AND n.title LIKE %(title)s AND n.created_at > %(since)s AND n.mail <> 'failed') n ON true
    WHERE u.is_active AND NOT u.is_service
"""
_DELIVERY: Final = """
    SELECT n.mail, count(*) FROM compliance_notice n
    WHERE n.title LIKE %(title)s AND n.created_at > %(since)s GROUP BY 1
"""


@check("training.reminders_sent")
def reminders_sent() -> Found:
    """Everybody with an open account had a security reminder in ninety days, and fewer than 2 in 100 that went out by
    e-mail came to nothing.

    A reminder stands on the person's pages whatever becomes of the mail; one whose mail failed does not count as having
    reached them. Who came within a week waits for the next turn.
    """
    from training import security_reminders

    now = clock.now()
    asked: Mapping[str, Any] = {"title": f"{security_reminders.TITLE}%", "since": now - REMINDED}
    rows = _rows(_REMINDED, **asked)
    failing = _unreached(rows, now)
    sent: dict[str, int] = dict(_rows(_DELIVERY, **asked))
    mailed = sent.get("sent", 0) + sent.get("failed", 0)
    share = sent.get("failed", 0) / mailed if mailed else 0.0
    return Found(
        not failing and share < MOST_FAILED,
        f"{len(failing)} of {len(rows)} people without a reminder in 90 days; "
        f"{sent.get('failed', 0)} of {mailed} by e-mail failed",
        len(rows),
        failing,
        {"people": len(rows), "mail": {name or "portal": number for name, number in sorted(sent.items())}},
    )


def _unreached(rows: Sequence[tuple[str, datetime, int]], now: datetime) -> list[str]:
    return [pk for pk, created_at, told in rows if not told and created_at <= now - FIRST_WEEK]
