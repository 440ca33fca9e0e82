"""The checks of paperwork: what the registers must hold for the safeguards that people, and not programs, keep."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final

from django.db.models import CharField, Exists, Max, OuterRef, Q
from django.db.models.functions import Cast, TruncHour
from django.urls import reverse
from django.utils import timezone

from clinchat.lib import clock
from compliance import policies, vault
from compliance.access.roles import Role
from compliance.controls import canary, visits
from compliance.controls.registry import CannotLook, Found, check
from compliance.models import (
    Agreement,
    Amendment,
    Asset,
    AuditReview,
    BreakGlass,
    Disclosure,
    Exercise,
    MaskReport,
    Notice,
    Remark,
    Risk,
    RiskApproval,
    Vendor,
)
from compliance.registers import amendments, disclosures, exercises, reviews, risks, vendors

YEAR: Final = timedelta(days=365)
DRILL: Final = timedelta(days=180)
TRIAGE: Final = timedelta(hours=72)
WEEKS: Final = 4
SERIOUS: Final = frozenset({"critical", "high"})
CONCERNS: Final = (Remark.Category.PRIVACY, Remark.Category.SAFETY)


# ── Risks and assets ───────────────────────────────────────────────────────────────────────────────────────────


@check("risk.register_current")
def register_current() -> Found:
    """The newest approval of the register: its age, its digest, and whether the ePHI assets are those of then."""
    approval = RiskApproval.objects.order_by("-approved_at").first()
    if approval is None:
        return Found(ok=False, observed="No version of the risk register is approved.", subjects=1, failing=["none"])
    wrong = []
    now = clock.now()
    if not now - YEAR <= approval.approved_at <= now:
        wrong.append("age")
    if risks.digest(approval.register) != approval.sha256:
        wrong.append("digest")
    changed = Asset.objects.filter(ephi=True).aggregate(last=Max("changed_at"))["last"]
    if (changed is not None and changed > approval.approved_at) or _then(approval) != _inventory():
        wrong.append("inventory")
    days = (now - approval.approved_at).days
    said = {"age": "too old", "digest": "not as it was signed", "inventory": "older than the ePHI inventory"}
    return Found(
        ok=not wrong,
        observed=f"Version {approval.number}, approved {days} days ago"
        + (f": {', '.join(said[one] for one in wrong)}." if wrong else ", after the newest change of an ePHI asset."),
        subjects=max(1, len(wrong)),
        failing=wrong,
        evidence={
            "version": approval.number,
            "sha256": approval.sha256,
            "days": days,
            "ephi_assets": len(_inventory()),
        },
    )


def _inventory() -> set[tuple[str, str, str]]:
    """The ePHI assets as they are declared now."""
    ephi = Asset.objects.in_use().filter(ephi=True).values_list("pk", "kind", "address")
    return {(str(pk), kind, address) for pk, kind, address in ephi}


def _then(approval: RiskApproval) -> set[tuple[str, str, str]]:
    """The ePHI assets as they were approved."""
    return {(one["id"], one["kind"], one["address"]) for one in approval.register["assets"] if one["ephi"]}


@check("risk.covers_assets")
def covers_assets() -> Found:
    """Each asset in use that holds ePHI, and the risks it is linked to."""
    ephi = Asset.objects.in_use().filter(ephi=True)
    linked = Exists(Risk.assets.through.objects.filter(asset_id=OuterRef("pk")))
    bare = [str(pk) for pk in ephi.exclude(linked).order_by("pk").values_list("pk", flat=True)]
    count = ephi.count()
    return Found(
        ok=not bare,
        observed=f"{len(bare)} of {count} ePHI assets without a risk",
        subjects=count,
        failing=bare,
        evidence={"assets": count, "risks": Risk.objects.count()},
    )


@check("risk.no_overdue_treatment")
def no_overdue_treatment() -> Found:
    """Risks being treated: the serious ones by their dates, all of them by how often they were put off."""
    today = timezone.localdate()
    found = list(Risk.objects.all())
    treated = [one for one in found if one.status == Risk.Status.OPEN]
    late = [one for one in treated if one.rating in SERIOUS and (one.due is None or one.due < today)]
    deferred = [one for one in treated if one.deferrals > risks.MOST_DEFERRALS]
    failing = sorted({str(one.pk) for one in (*late, *deferred)})
    return Found(
        ok=not failing,
        observed=f"Of {len(found)} risks {len(late)} serious ones are past their date, and {len(deferred)} were put "
        f"off more than {risks.MOST_DEFERRALS} times",
        subjects=len(found),
        failing=failing,
        evidence={"risks": len(found), "open": len(treated), "late": len(late), "deferred": len(deferred)},
    )


# ── Reviews and alerts ─────────────────────────────────────────────────────────────────────────────────────────


@check("review.weekly_signed")
def weekly_signed() -> Found:
    """The last four whole weeks and who signed for them.

    A signature counts when it was made on the Friday of its week or later, and not by an administrator of that week.
    """
    weeks = reviews.weeks(WEEKS + 1)[1:]
    good = {one.week for one in AuditReview.objects.filter(week__in=weeks) if reviews.counts(one)}
    missing = [week.isoformat() for week in weeks if week not in good]
    return Found(
        ok=not missing,
        observed=f"{len(weeks) - len(missing)} of the last {len(weeks)} weeks have a review that counts",
        subjects=len(weeks),
        failing=missing,
        evidence={"weeks": [week.isoformat() for week in weeks]},
    )


@check("review.alerts_closed", zero_ok=True)
def alerts_closed() -> Found:
    """What calls for somebody in this product, and nobody has taken up within 72 hours.

    ClinChat has no charts, so nobody's VIP, own or household record to watch. Its alerts are emergency accesses
    without a review, concerns about privacy or safety that nobody sorted, critical notices that none of those told has
    read, and mask reports that are open.
    """
    since = clock.now() - TRIAGE
    waiting = {
        "break_glass": BreakGlass.objects.waiting().filter(started_at__lt=since),
        "concerns": Remark.objects.filter(category__in=CONCERNS, status=Remark.Status.NEW, at__lt=since),
        "mask_reports": MaskReport.objects.open().filter(created_at__lt=since),
    }
    failing = [f"{kind}:{pk}" for kind, found in waiting.items() for pk in found.values_list("pk", flat=True)]
    counts = {kind: sum(one.startswith(f"{kind}:") for one in failing) for kind in waiting}
    unread = list(_unread(since))
    failing += unread
    said = [f"{count} {kind.replace('_', ' ')}" for kind, count in {**counts, "notices": len(unread)}.items() if count]
    looked = _alerts()
    return Found(
        ok=not failing,
        observed=f"{', '.join(said)} older than 72 h" if said else f"No alert of {looked} is older than 72 h and open",
        subjects=max(looked, len(failing)),
        failing=failing,
        evidence={"alerts": looked, **counts, "notices": len(unread)},
    )


def _unread(since: datetime) -> Iterator[str]:
    """Critical notices nobody has read: what several people were told at once is read when one of them has."""
    critical = Notice.objects.filter(level=Notice.Level.CRITICAL, created_at__lt=since).order_by()
    told = critical.values_list("title", "url", TruncHour("created_at")).annotate(
        read=Max("read_at"), one=Max(Cast("pk", CharField()))
    )
    yield from (f"notices:{pk}" for *_, read, pk in told if read is None)


def _alerts() -> int:
    return (
        BreakGlass.objects.count()
        + Remark.objects.filter(category__in=CONCERNS).count()
        + MaskReport.objects.count()
        + Notice.objects.filter(level=Notice.Level.CRITICAL).count()
    )


# ── Policies, agreements, exercises ────────────────────────────────────────────────────────────────────────────


@check("policy.acknowledged")
def acknowledged() -> Found:
    """Everybody with an open account, and each policy in force.

    A version that changes nothing in substance need not be accepted again by whoever accepted the one before it. Who
    came later has thirty days from the opening of the account.
    """
    standings = policies.standings(clock.now())
    late = [f"{one.policy.slug}:{duty.person.pk}" for one in standings for duty in one.waiting if duty.late]
    count = sum(len(one.accepted) + len(one.waiting) for one in standings)
    people = {duty.partition(":")[2] for duty in late}
    return Found(
        ok=not late,
        observed=f"{len(people)} people have not accepted a policy in time; {len(standings)} policies in force",
        subjects=count,
        failing=late,
        evidence={one.policy.slug: {"version": one.policy.version, "late": one.late} for one in standings},
    )


@check("baa.expiry", zero_ok=True)
def agreement_expiry() -> Found:
    """The vendors in use: each that receives PHI has a signed agreement, and none relied on ends within 30 days."""
    limit = timezone.localdate() + vendors.SOON
    found = [(one, vendors.newest(one)) for one in Vendor.objects.filter(ended_at=None).prefetch_related("agreements")]
    relied = [(vendor, agreement) for vendor, agreement in found if agreement is not None or vendor.receives_phi]
    without = [str(vendor.pk) for vendor, agreement in relied if agreement is None]
    ending = [str(agreement.pk) for _, agreement in relied if agreement is not None and agreement.expires_on < limit]
    return Found(
        ok=not without and not ending,
        observed=f"{len(ending)} of {len(relied)} agreements end within 30 days or have ended, {len(without)} missing",
        subjects=len(relied),
        failing=[*without, *ending],
        evidence={"vendors": len(found), "agreements": Agreement.objects.count()},
    )


@check("incident.drill")
def drill() -> Found:
    """The newest tabletop or live drill."""
    kinds = (Exercise.Kind.TABLETOP, Exercise.Kind.LIVE)
    held = _newest(one for one in exercises.current() if one.kind in kinds)
    ok = held is not None and _within(held, DRILL)
    days = (timezone.localdate() - held).days if held else None
    said = f"The newest drill was {days} days ago" if held else "No tabletop or live drill is recorded"
    return Found(ok=ok, observed=said, subjects=1, failing=[] if ok else ["drill"], evidence={"days": days})


@check("dr.gameday_current")
def gameday_current() -> Found:
    """Whole game days of the last year: database, broker, storage and key lost, and no action open since."""
    current = [one for one in exercises.current() if one.kind == Exercise.Kind.GAME_DAY]
    recent = [one for one in current if _within(one.held_on, YEAR)]
    good = [one for one in recent if exercises.whole(one) and not one.open_actions]
    incomplete = [str(one.pk) for one in recent if one not in good]
    return Found(
        ok=bool(good),
        observed=f"{len(good)} whole game days with closed actions in 365 days, {len(incomplete)} not whole or closed",
        subjects=max(1, len(recent)),
        failing=[] if good else incomplete or ["game-day"],
        evidence={"recorded": len(current), "recent": len(recent), "open_actions": sum(o.open_actions for o in recent)},
    )


def _newest(found: Iterator[Exercise]) -> date | None:
    today = timezone.localdate()
    return max((one.held_on for one in found if one.held_on <= today), default=None)


def _within(day: date, span: timedelta) -> bool:
    today = timezone.localdate()
    return today - span <= day <= today


# ── Patients' rights ───────────────────────────────────────────────────────────────────────────────────────────


@check("disclosure.report")
def disclosure_report() -> Found:
    """What the accounting of a patient who does not exist says, as a page and as a file, of what was seeded.

    Three disclosures within six years, one before them, one of somebody else.
    """
    official = canary.person(Role.PRIVACY_OFFICER)
    patient, other = (vault.pseudonym(f"canary {secrets.token_hex(8)}") for _ in range(2))
    today = timezone.localdate()
    days = (today, today - timedelta(days=400), disclosures.since(today))
    seeded = [_seed(official, patient, day) for day in days]
    unwanted = [_seed(official, patient, disclosures.since(today) - timedelta(days=1)), _seed(official, other, today)]
    wanted = {(one.disclosed_on.isoformat(), one.recipient, one.what, one.why) for one in seeded}
    text, file = _report(official, patient)
    lines = list(csv.reader(io.StringIO(file)))
    told, header = {tuple(line) for line in lines[1:]}, lines[0] if lines else []
    wrong = {
        "columns": header != ["Date", "Recipient", "What", "Why"],
        "file": told != wanted or len(lines) != len(wanted) + 1,
        "page": not all(word in text for one in seeded for word in (one.recipient, one.what, one.why)),
        "too-much": any(one.recipient in text for one in unwanted),
    }
    failing = [name for name, is_wrong in wrong.items() if is_wrong]
    return Found(
        ok=not failing,
        observed=f"The report lists {len(lines) - 1} of {len(wanted)} seeded disclosures"
        + (f"; wrong: {', '.join(failing)}" if failing else " with date, recipient, what and why, and no other"),
        subjects=max(len(wanted), len(failing)),
        failing=failing,
        evidence={"seeded": len(wanted), "listed": len(lines) - 1, "columns": len(header)},
    )


def _seed(official: canary.Canary, patient: str, day: date) -> Disclosure:
    words = {name: f"{name} {secrets.token_hex(8)}" for name in ("recipient", "what", "why")}
    return Disclosure.objects.create(patient=patient, disclosed_on=day, recorded_by=official.user, **words)


def _report(official: canary.Canary, patient: str) -> tuple[str, str]:
    """The page and the file, as the official's browser gets them."""
    page = official.client.get(reverse("disclosures"), {"patient": patient})
    if page.status_code != 200:
        raise CannotLook(f"the report answered {page.status_code}")
    file = visits.send(official.client, "POST", reverse("disclosures-export"), {"patient": patient})
    if file.status_code != 200:
        raise CannotLook(f"the file of the report answered {file.status_code}")
    return page.content.decode(), file.content.decode()


@check("amendment.linked", zero_ok=True)
def linked() -> Found:
    """Requests of the last six years: answered within 60 days or still in them, and about a record that is there.

    One that was answered too late counts for a year, so that the check tells of the present.
    """
    today = timezone.localdate()
    found = Amendment.objects.filter(asked_on__gt=disclosures.since(today))
    recent = found.filter(Q(answered_on=None) | Q(answered_on__gt=today - YEAR))
    late = {str(one.pk) for one in recent if not amendments.in_time(one)}
    loose = {str(one.pk) for one in found if not amendments.exists(one.record)}
    count = found.count()
    return Found(
        ok=not late and not loose,
        observed=f"{len(late)} of {count} requests late, {len(loose)} without their record",
        subjects=count,
        failing=sorted(late | loose),
        evidence={"requests": count, "waiting": found.filter(answered_on=None).count()},
    )
