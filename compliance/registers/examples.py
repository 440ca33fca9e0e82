"""Registers that a demo is furnished with: an example to look at, which an institution replaces by its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, NamedTuple

from django.conf import settings
from django.utils import timezone

from compliance.models import Asset, AuditReview, Exercise, Official, Risk, RiskApproval, User, Vendor
from compliance.registers import assets, exercises, officials, reviews, risks, vendors

Kind, Office, Status = Asset.Kind, Official.Office, Risk.Status
MARK: Final = "Starter example."
"""Stands in each text of it."""
WEEKS: Final = 4
OFFICES: Final = (
    (Office.SECURITY, False, "sam"),
    (Office.SECURITY, True, "carol"),
    (Office.PRIVACY, False, "pat"),
    (Office.PRIVACY, True, "carol"),
    (Office.COMPLIANCE, False, "carol"),
    (Office.COMPLIANCE, True, "pat"),
)


class Example(NamedTuple):
    """A risk; `days` from now it is treated. `kinds`: which of the declared assets it is about."""

    title: str
    threat: str
    likelihood: int
    impact: int
    treatment: str
    owner: str
    kinds: tuple[Asset.Kind, ...]
    days: int = 0
    status: Risk.Status = Status.OPEN


PURPOSES: Final = {
    Kind.DATABASE: ("Database", "Questions as they were masked, sealed identifiers, accounts and the audit trail."),
    Kind.QUEUE: ("Queue and cache", "Ids of waiting work, counters and the streams of answers."),
    Kind.FILES: ("Files", "The folder of this installation: keys, sockets and the files of the database."),
    Kind.LISTENER: ("Port", "Pages and the API are answered here."),
    Kind.MODEL: ("Model endpoint", "Gets masked questions and passages of the library."),
    Kind.HOST: ("Service of another host", "Spoken to by ClinChat."),
    Kind.OTHER: ("Other", "Reaches electronic PHI."),
}
RISKS: Final = (
    Example(
        "Stolen copy of the database",
        "Somebody copies the files of the database, or a disk leaves the house.",
        2,
        5,
        "Identifiers are sealed with keys that lie elsewhere. Encrypt the disks of the server as well.",
        "sam",
        (Kind.DATABASE, Kind.FILES),
        60,
    ),
    Example(
        "Identifiers that masking misses",
        "A question holds an identifier of an unusual form, and it is stored or sent on unmasked.",
        3,
        4,
        "Each release is measured on labelled notes. People report misses, which are masked at once.",
        "pat",
        (Kind.DATABASE, Kind.MODEL),
        90,
    ),
    Example(
        "Taken-over account",
        "A password is guessed or phished, and somebody else asks in the name of a clinician.",
        3,
        4,
        "Second factor for everybody, locks after failed sign-ins, sessions that end. Move to passkeys.",
        "sam",
        (Kind.LISTENER, Kind.DATABASE),
        120,
    ),
    Example(
        "Lost data",
        "The server fails or is encrypted by an attacker, and no copy can be brought back.",
        3,
        5,
        "Make backups that are kept elsewhere, and try to restore one.",
        "sam",
        (Kind.DATABASE, Kind.FILES, Kind.QUEUE),
        45,
    ),
    Example(
        "Staff who look without need",
        "Somebody reads what colleagues asked about a patient.",
        3,
        3,
        "Only authors read their questions. Emergency access is reviewed, the audit trail every week.",
        "pat",
        (Kind.DATABASE,),
        150,
    ),
    Example(
        "Traffic that is read on its way",
        "Somebody in the network reads what goes between browsers, servers and services.",
        2,
        4,
        "TLS at the edge and between servers; in this demo everything stays on one machine.",
        "sam",
        (Kind.LISTENER, Kind.QUEUE, Kind.HOST, Kind.MODEL, Kind.OTHER),
        75,
    ),
    Example(
        "Harmful file among the uploads",
        "An editor adds a document with malware to the library.",
        2,
        3,
        "Files are scanned, read in a process without network, and never kept.",
        "carol",
        (Kind.FILES,),
        status=Status.TREATED,
    ),
    Example(
        "Answers that cannot be had for some hours",
        "ClinChat is down, and clinicians have to look things up elsewhere.",
        3,
        2,
        "Accepted: sources are at hand in the library of the hospital, and nothing waits for ClinChat.",
        "carol",
        (Kind.DATABASE, Kind.LISTENER),
        status=Status.ACCEPTED,
    ),
)


def furnish(people: Mapping[str, User]) -> None:
    """Fill the registers of a demo, each only where it is empty; weeks that nobody reviewed are signed by pat."""
    if not {"pat", "sam", "carol"} <= set(people):
        return
    _name(people)
    _declare(people["carol"])
    _assess(people)
    _contract(people["pat"])
    _exercise(people["sam"])
    _review(people["pat"])


def _name(people: Mapping[str, User]) -> None:
    for office, deputy, key in OFFICES:
        if not Official.objects.filter(office=office, deputy=deputy).exists():
            officials.name(office=office, deputy=deputy, person=people[key], by=people["carol"])


def _declare(by: User) -> None:
    """What is found on this machine, and the port that will be answered on."""
    from compliance.controls.discovery import discover

    if Asset.objects.exists():
        return
    found = {(one.kind, one.address): one.ephi for one in discover()}
    if settings.EMBEDDED:
        found.setdefault((Kind.LISTENER, f"127.0.0.1:{settings.PORT}"), True)
    for (kind, address), ephi in sorted(found.items()):
        name, purpose = PURPOSES[kind]
        if kind == Kind.LISTENER:
            name = f"{name} {address.rpartition(':')[2]}"
        assets.declare(name=name, kind=kind, address=address, ephi=ephi, purpose=f"{MARK} {purpose}", by=by)


def _assess(people: Mapping[str, User]) -> None:
    if Risk.objects.exists() or RiskApproval.objects.exists():
        return
    today = timezone.localdate()
    for one in RISKS:
        risks.add(
            title=one.title,
            threat=f"{MARK} {one.threat}",
            likelihood=one.likelihood,
            impact=one.impact,
            treatment=one.treatment,
            status=one.status,
            owner=people[one.owner],
            due=today + timedelta(days=one.days) if one.days else None,
            assets=Asset.objects.in_use().filter(kind__in=one.kinds),
        )
    if not risks.incomplete():
        risks.approve(by=people["sam"])


def _contract(by: User) -> None:
    if Vendor.objects.exists():
        return
    today = timezone.localdate()
    vendor = vendors.add(
        name="Example Hosting, Inc.",
        service=f"{MARK} Replace it by the companies that run servers or models for you.",
        hosts=["hosting.example"],
        receives_phi=True,
    )
    vendors.add_agreement(
        vendor_id=vendor.pk,
        signed_on=today,
        expires_on=today + timedelta(days=365),
        verified_on=None,
        document=MARK.encode(),
        document_name=f"{MARK} There is no such agreement.",
        by=by,
    )


def _exercise(by: User) -> None:
    if Exercise.objects.exists():
        return
    today = timezone.localdate()
    exercises.record(
        kind=Exercise.Kind.TABLETOP,
        held_on=today - timedelta(days=30),
        scenario=f"{MARK} A clinician reports that somebody else is signed in under their name.",
        losses=[],
        lessons="The service desk knew whom to call. The list of numbers was a year old and is new now.",
        open_actions=0,
        by=by,
    )
    exercises.record(
        kind=Exercise.Kind.GAME_DAY,
        held_on=today - timedelta(days=60),
        scenario=f"{MARK} Database, queue, files and the newest key are gone on one day.",
        losses=list(exercises.LOSSES),
        lessons="Without backups of your own this exercise ends here. Hold it once you have them.",
        open_actions=1,
        by=by,
    )


def _review(by: User) -> None:
    for week in reviews.weeks(WEEKS + 1)[1:]:
        if not AuditReview.objects.filter(week=week).exists() and not reviews.reviewed(by.pk, week):
            reviews.sign(week=week, by=by, conclusion=f"{MARK} Nothing stood out in the figures of this week.")
