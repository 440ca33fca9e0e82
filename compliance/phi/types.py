"""The words of PHI masking: what a finding is, what a token stands for, and how failure looks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple


class Label(StrEnum):
    """One kind of identifier. Together they cover the eighteen of 45 CFR 164.514(b)(2)(i)."""

    NAME = "NAME"
    LOCATION = "LOCATION"
    FACILITY = "FACILITY"
    ROOM = "ROOM"
    DATE = "DATE"
    AGE_OVER_89 = "AGE_OVER_89"
    PHONE = "PHONE"
    FAX = "FAX"
    EMAIL = "EMAIL"
    SSN = "SSN"
    MRN = "MRN"
    HEALTH_PLAN = "HEALTH_PLAN"
    ACCOUNT = "ACCOUNT"
    LICENSE = "LICENSE"
    VEHICLE = "VEHICLE"
    DEVICE = "DEVICE"
    URL = "URL"
    IP = "IP"
    BIOMETRIC = "BIOMETRIC"
    PHOTO = "PHOTO"
    OTHER_ID = "OTHER_ID"


label_words: dict[Label, str] = {
    Label.NAME: "Name",
    Label.LOCATION: "Place",
    Label.FACILITY: "Hospital or clinic",
    Label.ROOM: "Room or bed",
    Label.DATE: "Date",
    Label.AGE_OVER_89: "Age over 89",
    Label.PHONE: "Phone number",
    Label.FAX: "Fax number",
    Label.EMAIL: "E-mail address",
    Label.SSN: "Social Security number",
    Label.MRN: "Record number",
    Label.HEALTH_PLAN: "Health plan number",
    Label.ACCOUNT: "Account number",
    Label.LICENSE: "License number",
    Label.VEHICLE: "Vehicle number",
    Label.DEVICE: "Device number",
    Label.URL: "Web address",
    Label.IP: "Network address",
    Label.BIOMETRIC: "Biometric identifier",
    Label.PHOTO: "Photo",
    Label.OTHER_ID: "Other identifier",
}


class Strength(IntEnum):
    """How sure a detector is. Clinical wording (a candidate without a label) beats WEAK and nothing else."""

    WEAK = 1  # a shape or a name list alone
    FIRM = 2  # a cue stands beside it: a title, a keyword, a verb
    CERTAIN = 3  # the form alone proves it: an e-mail address, a literal token


class Candidate(NamedTuple):
    """What one detector proposes. `label=None` marks clinical wording that must stay readable."""

    start: int
    end: int
    label: Label | None
    strength: Strength


@dataclass(frozen=True, slots=True)
class Span:
    """One identifier in the original text; offsets are code points, end exclusive."""

    start: int
    end: int
    label: Label


@dataclass(frozen=True, slots=True)
class Entity:
    """What a token stands for in one conversation.

    A token has one entity for each way its value was written: "LOPEZ" after "Lopez" is spelling 1 of the same token.
    """

    token: str
    label: Label
    value: str
    spelling: int = 0


@dataclass(frozen=True, slots=True)
class Masked:
    """A text made safe. `tokens` and `spellings` run beside `spans`; `new` are the entities the caller did not know."""

    text: str
    spans: tuple[Span, ...]
    tokens: tuple[str, ...]
    spellings: tuple[int, ...]
    new: tuple[Entity, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of masked text. Where `token` is set, `text` is the value it stands for."""

    text: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a hospital added: words always masked, with their class, and words never taken for an identifier."""

    version: str = ""
    mask: tuple[tuple[Label, str], ...] = ()
    keep: tuple[str, ...] = ()


class PhiUnavailable(Exception):
    """Masking could not be done, so the text must not go anywhere. Never carries the text or its parts."""
