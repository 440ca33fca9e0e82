"""Where a request comes from. Lock-outs, limits, blocks and the audit trail all take its word, and nobody else's."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def route(request: HttpRequest) -> tuple[str | None, tuple[str, ...]]:
    """Where the request came from, and through which of our proxies (CLINCHAT_PROXIES).

    Each proxy adds its peer at the right of X-Forwarded-For. As many of them as there are proxies of ours can be
    believed; what stands further left is what the client claims. None where no address is to be believed.
    """
    forwarded = request.headers.get("X-Forwarded-For", "") if settings.PROXIES else ""
    hops = [*filter(None, map(str.strip, forwarded.split(","))), request.META.get("REMOTE_ADDR", "")]
    believed = [plain(hop) for hop in hops[-settings.PROXIES - 1 :]]
    return believed[0], tuple(hop for hop in believed[1:] if hop)


def plain(text: str) -> str | None:
    """An address in its one form: IPv4 inside IPv6 as IPv4 (RFC 4291 section 2.5.5.2), no zone of a link-local one.

    None for anything else; a unix socket has no address.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
