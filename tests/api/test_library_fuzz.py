"""Strange input past every door of the knowledge base: answers keep to the OpenAPI document, and none is our fault."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import transaction
from hypothesis import given, settings
from hypothesis.errors import Unsatisfiable

from chat.corpus.ingest import ingest
from chat.models import Release, Upload
from compliance.access import Role
from compliance.models import RoleAssignment, User
from tests import cast
from tests.api.editors import pushed, signed_in
from tests.api.test_fuzz import BOUNDED, CHECKS, bearer_for
from tests.api.test_fuzz import one_connection as one_connection  # noqa: PLC0414  # a fixture
from tests.chat import shelf

pytestmark = pytest.mark.django_db


@pytest.fixture
def everything(db: None) -> Iterator[tuple[User, dict[str, Any]]]:
    """Somebody no door of the library stops, and one of everything its addresses name."""
    user = cast.dora()
    RoleAssignment.objects.give(user=user, role=Role.KNOWLEDGE_EDITOR)
    collection = shelf.collection("protocols")
    shelf.load(collection, shelf.source("Stop metformin before contrast."))
    draft = pushed(signed_in(user), collection)
    waiting = ingest(sources=[shelf.source("Stop it at the time of contrast.")], collection=collection).release
    assert waiting is not None
    named = {"document_id": shelf.current().document_id, "draft_id": draft.pk, "release_id": waiting.pk}
    yield user, named | {"upload_id": Upload.objects.get().pk}
    assert Release.objects.get(pk=waiting.pk).state == Release.State.CANDIDATE, "what a request does is undone"


def test_the_library_keeps_to_its_document(
    everything: tuple[User, dict[str, Any]],
    one_connection: None,  # after the requests of Django's test client, which sees to its connections itself
) -> None:
    user, named = everything
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import schemathesis
        from schemathesis import checks as known
        from schemathesis.generation import GenerationMode

        schemathesis.openapi  # noqa: B018  # registers its checks
        headers = {"Authorization": bearer_for(user), "Host": "localhost"}
        schema = schemathesis.openapi.from_wsgi("/api/schema/", get_wsgi_application(), headers=headers)
        schema.config.generation.with_security_parameters = False
        # What stands in the address is real here, so a request made to be wrong may be right.
        checks = known.CHECKS.get_by_names([name for name in CHECKS if name != "negative_data_rejection"])
        seen: dict[str, set[int]] = {}
        for found in schema.include(path_regex="^/api/library/").get_all_operations():
            operation = found.ok()  # type: ignore[union-attr]  # an operation it cannot read fails the test
            for mode in GenerationMode:

                @settings(BOUNDED, max_examples=3)
                @given(case=operation.as_strategy(generation_mode=mode))
                def one(case: Any) -> None:
                    if case.path_parameters:
                        case.path_parameters = {name: str(named[name]) for name in case.path_parameters}
                    with transaction.atomic():
                        answer = case.call(headers=headers)
                        transaction.set_rollback(True)
                    case.validate_response(answer, checks=checks)
                    seen.setdefault(case.operation.label, set()).add(answer.status_code)

                with suppress(Unsatisfiable):  # what takes nothing cannot be sent wrong
                    one()
    assert len(seen) == 18, sorted(seen)
    assert not [label for label, statuses in seen.items() if max(statuses) >= 500], seen
    reads = [label for label in seen if label.startswith("GET ")]
    assert all(200 in seen[label] for label in reads), seen
    assert 404 not in set().union(*(seen[label] for label in seen if "documents/{" not in label)), seen
