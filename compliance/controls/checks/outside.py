"""The check of who is spoken to beyond the hospital."""

from __future__ import annotations

from clinchat.lib import clock, outbound
from compliance.controls import discovery
from compliance.controls.registry import Found, check
from compliance.models import Agreement, Vendor


@check("egress.allowlist")
def allowlist() -> Found:
    """Every host that the settings name or that is being spoken to now: it is the hospital's own, or a vendor's with an
    agreement that has not run out. And this process refuses to speak to any other.

    The hospital's own are addresses of this machine and of private networks, by what the name service says now.
    """
    found = {one.host: one for one in discovery.discover() if one.host and one.kind != discovery.Kind.LISTENER}
    known = discovery.addresses(found)
    beyond = sorted(
        host for host in found if not discovery.loopback(host) and not discovery.own_network(known.get(host, []))
    )
    covered = _covered()
    failing = [f"{host} has no agreement in force"[:150] for host in beyond if host not in covered]
    if not outbound.refuses(UNLISTED):
        failing.append("an unlisted host is not refused")
    return Found(
        ok=not failing,
        observed=f"{len(beyond)} hosts beyond the hospital's network, {len(failing)} not as they should be; "
        f"{len(found) - len(beyond)} within it",
        subjects=len(found) + 1 + len(failing),
        failing=failing,
        evidence={"beyond": beyond[:40], "within": len(found) - len(beyond), "vendors": len(covered)},
    )


UNLISTED = "egress.canary.invalid"


def _covered() -> set[str]:
    """Hosts of vendors whose newest agreement has not run out."""
    today = clock.now().date()
    current = Agreement.objects.filter(signed_on__lte=today, expires_on__gte=today, vendor__ended_at=None)
    vendors = Vendor.objects.filter(pk__in=current.values("vendor"))
    return {str(host).lower() for hosts in vendors.values_list("hosts", flat=True) for host in hosts}
