"""The way back in for somebody who blocked themselves out."""

from __future__ import annotations

from argparse import ArgumentParser
from ipaddress import ip_network
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clinchat.lib import clock
from compliance.access import networks
from compliance.models import NetworkBlock
from compliance.models.networks import Network


class Command(BaseCommand):
    help = (
        "End blocks of networks: every one that holds NETWORK or a part of it, or all of them. It works within two "
        "seconds and is on record with the account that runs this. Exit code 1 when nothing was blocked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("network", nargs="?", help="an address or a network, such as 203.0.113.7 or 203.0.113.0/24")
        which.add_argument("--all", action="store_true", help="end every block")

    def handle(self, *args: Any, network: str | None, **options: Any) -> None:
        live = NetworkBlock.objects.live(clock.now())
        found = list(live) if network is None else networks.holding(_network(network))
        if not found:
            raise CommandError("No block holds it." if network else "No network is blocked.")
        networks.unblock(found, by=None)
        for block in found:
            self.stdout.write(f"{block.network} is let in again")


def _network(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise CommandError(networks.NotANetwork.words) from None
