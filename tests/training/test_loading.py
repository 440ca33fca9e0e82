"""Files into the database: all or nothing, a second time nothing, and only whom a change concerns has to catch up."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.db import models

from clinchat.lib import clock
from compliance import policies
from compliance.models import Notice, PolicyAcknowledgement, PolicyVersion, User
from tests.factories import make_user
from tests.training import small
from tests.training.certified import certify
from training import enrolments, loading
from training.bank.types import SIX
from training.loading import CHANGED, ContentWrong
from training.models import Attempt, Certificate, Enrolment, ModuleVersion

pytestmark = pytest.mark.django_db

TABLES = (ModuleVersion, PolicyVersion, Enrolment, Attempt, Notice, PolicyAcknowledgement, Certificate)


@pytest.fixture(autouse=True, scope="module")
def _files_read_once() -> Iterator[None]:
    """A text is parsed once; nobody changes what comes out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "compose", functools.lru_cache(maxsize=128)(yaml.compose))
        yield


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.write_all(tmp_path_factory.mktemp("set"))


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "content")


@pytest.fixture
def loaded(folder: Path) -> Path:
    loading.load(folder)
    return folder


def rows() -> dict[str, list[dict[str, Any]]]:
    """Everything in the tables that loading writes."""
    managers: list[models.Manager[Any]] = [model._default_manager for model in TABLES]
    return {manager.model.__name__: sorted(manager.values(), key=lambda row: str(row["id"])) for manager in managers}


def change_module(
    folder: Path, version: str, *, slug: str = "hipaa", material: bool = False, changed: Any = ()
) -> None:
    text = small.module_file(
        slug, number=SIX.index(slug) + 1, version=version, material=material, changed=changed
    ).replace("You can do it.", f"You can do it, {version}.")
    (folder / "modules" / slug / "module.yaml").write_text(text)


def change_policy(folder: Path, version: str, *, material: bool = False, lessons: Any = ()) -> None:
    text = small.policy_file("conduct", version=version, material=material, lessons=lessons)
    (folder / "policies" / "conduct.md").write_text(text.replace("Everybody.", f"Everybody, {version}."))


def wrong(call: Callable[[], object]) -> list[str]:
    """What is said, when nothing was changed."""
    before = rows()
    with pytest.raises(ContentWrong) as caught:
        call()
    assert rows() == before
    return [str(problem) for problem in caught.value.problems]


def in_force(slug: str) -> str:
    return ModuleVersion.objects.in_force().get(slug=slug).version


def accept(person: User, slug: str = "conduct") -> None:
    policies.acknowledge(person=person, policy=PolicyVersion.objects.in_force().get(slug=slug))


# ── All, once ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_everything_is_loaded_as_it_is_in_the_files(folder: Path) -> None:
    content = loading.read(folder)
    done = loading.load(folder)
    assert (len(done.new), done.unchanged, done.affected) == (8, 0, 0)
    for module in content.modules:
        kept = ModuleVersion.objects.in_force().get(slug=module.slug)
        assert (kept.version, kept.sha256, kept.title) == (module.version, module.sha256, module.title)
        assert kept.module.items == list(module.items)
        assert kept.module.rules == module.rules
        assert kept.module.blueprint == module.blueprint
    for policy in content.policies:
        assert PolicyVersion.objects.in_force().get(slug=policy.slug).text == policy.text
    assert not Notice.objects.exists()


def test_loading_twice_changes_nothing(loaded: Path) -> None:
    certify(make_user(), slug="hipaa")
    before = rows()
    done = loading.load(loaded)
    assert (done.new, done.unchanged, done.affected) == ([], 8, 0)
    assert rows() == before


@pytest.mark.parametrize(
    "file", ["modules/hipaa/items.yaml", "modules/system-usage/module.yaml", "policies/conduct.md"]
)
def test_one_broken_file_and_nothing_changes(file: str, loaded: Path) -> None:
    change_module(loaded, "2.0", slug="phi-handling", material=True)
    certify(make_user(), slug="phi-handling")
    (loaded / file).write_text("- : [")
    said = wrong(lambda: loading.load(loaded))
    assert any(file.removeprefix("modules/") in one for one in said)
    assert in_force("phi-handling") == "1.0"


def test_a_missing_module_and_nothing_changes(loaded: Path) -> None:
    shutil.rmtree(loaded / "modules" / "hipaa")
    assert "hipaa/module.yaml:1: The file is missing." in wrong(lambda: loading.load(loaded))
    assert in_force("hipaa") == "1.0"


def test_a_failure_in_the_middle_and_nothing_changes(loaded: Path) -> None:
    change_module(loaded, "2.0", material=True)
    change_policy(loaded, "2.0", material=True)
    certify(make_user(), slug="hipaa")
    before = rows()
    with mock.patch.object(policies, "publish", side_effect=RuntimeError), pytest.raises(RuntimeError):
        loading.load(loaded)
    assert rows() == before


# ── Versions ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("modules/hipaa/items.yaml", "Ask", "Ask now", "hipaa/module.yaml"),
        ("modules/hipaa/module.yaml", "You can", "You could", "hipaa/module.yaml"),
        ("modules/phi-handling/lessons/01-about-first.md", "Wrong", "Bad", "phi-handling/module.yaml"),
        ("modules/error-reporting/pictures/doors.svg", "Door<", "Gate<", "error-reporting/module.yaml"),
        ("policies/conduct.md", "Everybody", "Nobody", "policies/conduct.md"),
    ],
)
def test_a_changed_file_needs_a_new_version(file: str, old: str, new: str, named: str, loaded: Path) -> None:
    path = loaded / file
    path.write_text(path.read_text().replace(old, new, 1))
    assert wrong(lambda: loading.load(loaded)) == [f"{named}:1: {CHANGED.format('1.0')}"]


def test_a_version_without_substance_takes_the_place_and_bothers_nobody(loaded: Path) -> None:
    person = make_user()
    certify(person, slug="hipaa")
    accept(person)
    change_module(loaded, "1.1")
    change_policy(loaded, "1.1")
    done = loading.load(loaded)
    assert (sorted(done.new), done.affected) == (["About hipaa 1.1", "Use of the portal 1.1"], 0)
    assert in_force("hipaa") == "1.1"
    assert ModuleVersion.objects.get(slug="hipaa", version="1.0").module.purpose == "You can do it."
    assert not Enrolment.objects.open().exists()
    assert not Notice.objects.exists()
    assert all(state.covered for state in policies.states(person) if state.policy.slug == "conduct")


def test_an_earlier_version_can_come_back(loaded: Path) -> None:
    first = (loaded / "modules/hipaa/module.yaml").read_text()
    change_module(loaded, "1.1")
    loading.load(loaded)
    (loaded / "modules/hipaa/module.yaml").write_text(first)
    done = loading.load(loaded)
    assert (done.new, in_force("hipaa")) == (["About hipaa 1.0"], "1.0")
    assert ModuleVersion.objects.filter(slug="hipaa").count() == 2
    assert loading.load(loaded).new == []


def test_an_earlier_version_of_a_policy_can_come_back(loaded: Path) -> None:
    person, file = make_user(), loaded / "policies/conduct.md"
    first = file.read_text()
    accept(person)
    change_policy(loaded, "2.0", material=True)
    loading.load(loaded)
    file.write_text(first)
    loading.load(loaded)
    assert PolicyVersion.objects.in_force().get(slug="conduct").version == "1.0"
    assert next(state for state in policies.states(person) if state.policy.slug == "conduct").covered


def test_another_module_comes_and_goes(loaded: Path) -> None:
    small.write_module(loaded / "modules", "lifting", number=7)
    assert loading.load(loaded).new == ["About lifting 1.0"]
    shutil.rmtree(loaded / "modules" / "lifting")
    loading.load(loaded)
    assert not ModuleVersion.objects.in_force().filter(slug="lifting").exists()
    assert ModuleVersion.objects.filter(slug="lifting").exists()
    with pytest.raises(enrolments.UnknownModule):
        enrolments.in_force("lifting")


# ── Changes in substance ───────────────────────────────────────────────────────────────────────────────────────────


def days_from_now(when: datetime | None) -> float:
    assert when is not None
    return (when - clock.now()) / timedelta(days=1)


def test_who_holds_a_certificate_catches_up_within_thirty_days(loaded: Path) -> None:
    holder, other, without, former, revoked = (make_user() for _ in range(5))
    certify(holder, slug="hipaa")
    certify(other, slug="phi-handling")
    certify(former, slug="hipaa", expires_at=clock.now() - timedelta(days=1))
    taken = certify(revoked, slug="hipaa")
    taken.revoked_at, taken.revoked_by, taken.revoke_reason = clock.now(), other, "Test"
    taken.save()
    change_module(loaded, "2.0", material=True, changed=["about-second"])
    assert loading.load(loaded).affected == 1
    (turn,) = Enrolment.objects.open()
    assert (turn.person, turn.slug, turn.kind) == (holder, "hipaa", Enrolment.Kind.CHANGE)
    assert (turn.lessons, turn.why) == (["about-second"], "What is new in 2.0.")
    assert 29.9 < days_from_now(turn.due_at) <= 30
    assert turn.attempts.count() == 3
    (notice,) = Notice.objects.all()
    assert (notice.user, notice.level, notice.url) == (holder, Notice.Level.WARNING, "/training/hipaa/")
    assert notice.title == "About hipaa has changed"
    assert notice.text.startswith("What is new in 2.0. Catch up by ")
    assert not without.notices.exists()
    assert loading.load(loaded).affected == 0
    assert Notice.objects.count() == 1


def test_a_change_is_asked_only_about_its_lessons(loaded: Path) -> None:
    certify(make_user(), slug="hipaa")
    change_module(loaded, "2.0", material=True, changed=["about-second"])
    loading.load(loaded)
    turn, module = Enrolment.objects.open().get(), enrolments.in_force("hipaa").module
    assert enrolments.lessons_of(turn, module) == ["about-second"]
    assert list(enrolments.blueprint_of(turn, module)) == ["second"]


def test_a_change_of_no_lesson_in_particular_is_of_all(loaded: Path) -> None:
    certify(make_user(), slug="hipaa")
    change_module(loaded, "2.0", material=True)
    loading.load(loaded)
    turn, module = Enrolment.objects.open().get(), enrolments.in_force("hipaa").module
    assert enrolments.lessons_of(turn, module) == ["about-first", "about-second"]


def test_who_is_renewing_finishes_that_within_the_same_days(loaded: Path) -> None:
    person = make_user()
    certify(person, slug="hipaa", expires_at=clock.now() + timedelta(days=50))
    renewal = enrolments.begin(person=person, slug="hipaa")
    change_module(loaded, "2.0", material=True)
    assert loading.load(loaded).affected == 1
    turn = Enrolment.objects.open().get()
    assert (turn.pk, turn.kind) == (renewal.pk, Enrolment.Kind.RENEWAL)
    assert 29.9 < days_from_now(turn.due_at) <= 30
    assert Notice.objects.filter(user=person).count() == 1


def test_a_renewal_due_sooner_stays_due_sooner(loaded: Path) -> None:
    person = make_user()
    certify(person, slug="hipaa", expires_at=clock.now() + timedelta(days=9))
    enrolments.begin(person=person, slug="hipaa")
    change_module(loaded, "2.0", material=True)
    loading.load(loaded)
    assert 8.9 < days_from_now(Enrolment.objects.open().get().due_at) <= 9


def test_a_second_change_adds_to_the_first(loaded: Path) -> None:
    certify(make_user(), slug="hipaa")
    change_module(loaded, "2.0", material=True, changed=["about-second"])
    loading.load(loaded)
    first = Enrolment.objects.open().get()
    change_module(loaded, "3.0", material=True, changed=["about-first"])
    loading.load(loaded)
    turn = Enrolment.objects.open().get()
    assert (turn.lessons, turn.due_at) == (["about-second", "about-first"], first.due_at)
    assert Enrolment.objects.get(pk=first.pk).closed_at is not None


def test_who_passes_an_older_version_after_a_change_catches_up(loaded: Path) -> None:
    person, older = make_user(), enrolments.in_force("hipaa")
    change_module(loaded, "2.0", material=True, changed=["about-second"])
    loading.load(loaded)
    certify(person, slug="hipaa")
    enrolments.catch_up(person=person, passed=older, now=clock.now())
    assert Enrolment.objects.open().get(person=person).lessons == ["about-second"]
    newer = make_user()
    certify(newer, slug="hipaa")
    enrolments.catch_up(person=newer, passed=enrolments.in_force("hipaa"), now=clock.now())
    assert not Enrolment.objects.open().filter(person=newer).exists()


def test_a_policy_changed_in_substance_is_accepted_anew(loaded: Path) -> None:
    holder, accepted, stranger = (make_user() for _ in range(3))
    certify(holder, slug="hipaa")
    certify(stranger, slug="hipaa")
    accept(holder)
    accept(accepted)
    change_policy(loaded, "2.0", material=True, lessons=["hipaa/about-first"])
    done = loading.load(loaded)
    assert (done.new, done.affected) == (["Use of the portal 2.0"], 2)
    (turn,) = Enrolment.objects.open()
    assert (turn.person, turn.kind, turn.lessons) == (holder, Enrolment.Kind.CHANGE, ["about-first"])
    assert turn.why == "Use of the portal 2.0: New in 2.0."
    assert set(Notice.objects.values_list("user", "title")) == {
        (holder.pk, "Use of the portal has changed"),
        (holder.pk, "About hipaa has changed"),
        (accepted.pk, "Use of the portal has changed"),
    }
    state = next(state for state in policies.states(accepted) if state.policy.slug == "conduct")
    assert not state.covered
    assert 29.9 < days_from_now(state.due_at) <= 30
    assert not stranger.notices.exists()
    assert loading.load(loaded).affected == 0


# ── The command ────────────────────────────────────────────────────────────────────────────────────────────────────


def run(*words: Any, **options: Any) -> tuple[int, str, str]:
    """Exit code, what was printed, and what was said about problems."""
    out = StringIO()
    try:
        call_command("load_training", *words, stdout=out, **options)
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error.args[0])
    return 0, out.getvalue(), ""


def test_the_command_loads_and_says_so(folder: Path) -> None:
    certify(make_user(), slug="hipaa")
    code, said, _ = run(str(folder))
    assert (code, said.startswith("Training loaded: About hipaa 1.0, ")) == (0, True)
    assert run(str(folder)) == (0, "Training is up to date (8 modules and policies).\n", "")
    change_module(folder, "2.0", material=True)
    assert "1 times somebody has to catch up" in run(str(folder))[1]


def test_a_check_changes_nothing(folder: Path) -> None:
    assert run(str(folder), check=True) == (
        0,
        "The files can be loaded: 6 modules, 12 lessons, 252 items, 2 policies.\n",
        "",
    )
    assert not ModuleVersion.objects.exists()


def test_a_check_of_the_starter_set_for_programs() -> None:
    code, said, _ = run(check=True, json=True)
    told = json.loads(said)
    assert code == 0
    assert list(told) == ["modules", "lessons", "objectives", "items", "cases", "kinds", "policies", "problems"]
    assert (told["modules"], told["problems"]) == (6, [])
    assert told["items"] >= 240
    assert told["cases"] * 3 >= told["items"]
    assert sum(told["kinds"].values()) == told["items"]
    assert set(told["kinds"]) == {"single", "multiple", "ordering", "matching", "numeric", "case"}


def test_a_broken_file_ends_with_its_line_and_code_one(folder: Path) -> None:
    path = folder / "modules/hipaa/items.yaml"
    path.write_text(path.read_text().replace("kind: single", "kind: one", 1))
    code, said, problems = run(str(folder), check=True, json=True)
    assert code == 1
    assert "hipaa/items.yaml:7: kind must be one of" in problems
    assert problems.endswith("Nothing was changed.")
    first = json.loads(said)["problems"][0]
    assert (first["file"], first["line"], first["words"][:20]) == ("hipaa/items.yaml", 7, "kind must be one of ")
    assert run(str(folder))[0] == 1
    assert not ModuleVersion.objects.exists()


def test_only_so_many_problems_are_listed(folder: Path) -> None:
    path = folder / "modules/hipaa/items.yaml"
    path.write_text(path.read_text().replace("difficulty: easy", "difficulty: light").replace('"164.1"', '"164.2"'))
    code, _, problems = run(str(folder))
    assert code == 1
    assert len(problems.splitlines()) == 42
    assert problems.splitlines()[-2].startswith("and ")


def test_no_folder(tmp_path: Path) -> None:
    assert run(str(tmp_path / "none"))[0] == 1
    assert "policies:1: There is no policy." in run(str(tmp_path))[2]
