"""Takes the files of training into the database: all of them, or nothing when one is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from django.db import connection, transaction

from clinchat.lib import clock
from clinchat.lib.located import Problem
from compliance import policies
from compliance.models import PolicyVersion, User
from training import enrolments
from training.bank import packing, reading
from training.bank import policies as policy_files
from training.bank.policies import PolicyFile
from training.bank.types import Module
from training.models import Certificate, ModuleVersion

CHANGED: Final = "The files have changed since version {} was loaded. Give them a new version."
_LOCK: Final = 8_2402


@dataclass(frozen=True)
class Content:
    """What the files hold."""

    modules: Sequence[Module]
    policies: Sequence[PolicyFile]


@dataclass
class Loaded:
    """What loading did. `affected`: how many people have to catch up."""

    new: list[str] = field(default_factory=list)
    unchanged: int = 0
    affected: int = 0


class ContentWrong(Exception):
    """The files have problems; nothing was changed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


def read(folder: Path) -> Content:
    """The modules and policies in the folder. Raises ContentWrong with every problem."""
    modules, problems = reading.read_all(folder / "modules")
    lessons = {f"{module.slug}/{lesson.key}" for module in modules for lesson in module.lessons}
    found, wrong = policy_files.read_all(folder / "policies", lessons=lessons)
    if problems or wrong:
        raise ContentWrong([*problems, *wrong])
    return Content(modules, found)


def load(folder: Path) -> Loaded:
    """Put what is new in the folder into force. Doing it again changes nothing. Raises ContentWrong."""
    content = read(folder)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        problems = _unversioned(content)
        if problems:
            raise ContentWrong(problems)
        done, now = Loaded(), clock.now()
        slugs = [module.slug for module in content.modules]
        ModuleVersion.objects.in_force().exclude(slug__in=slugs).update(in_force=False)
        for module in content.modules:
            _put_in_force(module, done, now)
        _publish(content.policies, done, now)
    return done


def _unversioned(content: Content) -> list[Problem]:
    """Files that say they are a version that is known, and are not what was loaded as it."""
    modules = {(one.slug, one.version): one.sha256 for one in ModuleVersion.objects.defer("content")}
    texts = {(one.slug, one.version): one.sha256 for one in PolicyVersion.objects.defer("text")}
    found = [
        Problem(f"{one.slug}/module.yaml", 1, CHANGED.format(one.version))
        for one in content.modules
        if modules.get((one.slug, one.version), one.sha256) != one.sha256
    ]
    return found + [
        Problem(f"policies/{one.slug}.md", 1, CHANGED.format(one.version))
        for one in content.policies
        if texts.get((one.slug, one.version), one.sha256) != one.sha256
    ]


def _put_in_force(module: Module, done: Loaded, now: datetime) -> None:
    known = ModuleVersion.objects.filter(slug=module.slug, version=module.version).defer("content").first()
    if known is not None and known.in_force:
        done.unchanged += 1
        return
    ModuleVersion.objects.in_force().filter(slug=module.slug).update(in_force=False)
    if known is not None:  # back to an earlier one
        ModuleVersion.objects.filter(pk=known.pk).update(in_force=True)
        done.new.append(str(known))
        return
    version = ModuleVersion.objects.create(
        slug=module.slug,
        number=module.number,
        title=module.title,
        version=module.version,
        change=module.change,
        material=module.material,
        sha256=module.sha256,
        content=packing.pack(module),
        loaded_at=now,
        in_force=True,
    )
    done.new.append(str(version))
    if module.material:
        holders = Certificate.objects.live(now).filter(slug=module.slug).values("person")
        people = User.objects.filter(pk__in=holders)
        done.affected += enrolments.open_changes(
            people=people, version=version, lessons=module.changed, why=module.change, now=now
        )


def _publish(files: Sequence[PolicyFile], done: Loaded, now: datetime) -> None:
    drafts = [
        policies.Draft(
            slug=one.slug,
            number=one.number,
            title=one.title,
            version=one.version,
            text=one.text,
            change=one.change,
            material=one.material,
            sha256=one.sha256,
        )
        for one in files
    ]
    by_slug = {one.slug: one for one in files}
    new = policies.publish(drafts)
    done.unchanged += len(files) - len(new)
    for policy in new:
        done.new.append(str(policy))
        if policy.material:
            done.affected += _catch_up(policy, by_slug[policy.slug], now)


def _catch_up(policy: PolicyVersion, file: PolicyFile, now: datetime) -> int:
    """Tell whoever accepted an earlier version, and have them read again what it changes in the training."""
    affected = list(policies.affected_by(policy))
    policies.tell_changed(policy, affected)
    for slug in dict.fromkeys(lesson.partition("/")[0] for lesson in file.lessons):
        lessons = [lesson.partition("/")[2] for lesson in file.lessons if lesson.startswith(f"{slug}/")]
        version = enrolments.in_force(slug)
        why = f"{policy.title} {policy.version}: {policy.change}"[:300]
        enrolments.open_changes(people=affected, version=version, lessons=lessons, why=why, now=now)
    return len(affected)
