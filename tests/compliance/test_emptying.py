"""After a test that has committed the database of the tests is empty, and as well guarded as before."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType

from compliance.audit import guards
from compliance.models import AuditEvent, Seal, User
from tests import cast, emptying
from tests.chat.making import answered

pytestmark = pytest.mark.django_db(transaction=True)


def test_everything_is_gone_and_the_triggers_stand() -> None:
    weak = list(guards.weaknesses())  # the triggers against TRUNCATE are off in the database of the tests
    answered(author=cast.alice(), text="How is warfarin dosed?")
    assert AuditEvent.objects.count() > 10
    emptying._teardown(None)
    models = set(apps.get_models()) - {Permission, ContentType}
    assert Seal in models
    assert [model for model in models if model._meta.managed and model._base_manager.exists()] == []
    assert Permission.objects.exists()
    assert list(guards.weaknesses()) == weak
    user: User = cast.bob()
    assert AuditEvent.objects.filter(object_id=str(user.pk), code="user_created").count() == 1
    with pytest.raises(Exception, match="is refused"):
        AuditEvent.objects.all().delete()
