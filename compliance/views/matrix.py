"""The access matrix as a page."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from clinchat.lib.http import AuthedRequest
from compliance import audit_vocabulary
from compliance.access import Action, Role, door
from compliance.access import matrix as policy


@require_safe
@door(Action.READ_POLICY)
def matrix(request: AuthedRequest) -> HttpResponse:
    found = policy.matrix()
    rows = [
        {
            "words": audit_vocabulary.ACTIONS[row.action],
            "clearance": row.clearance,
            "cells": [(role.label, role in row.roles) for role in Role],
            "routes": row.routes,
        }
        for row in found.rows
    ]
    context = {"roles": [role.label for role in Role], "rows": rows, "found": found}
    return render(request, "matrix.html", context)
