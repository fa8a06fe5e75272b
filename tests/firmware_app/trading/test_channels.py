"""No server ever sees two addresses of a home on one connection, nor one of them on the connection that it follows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import cache

import pytest

from firmware_app.trading import submitting
from light_client.client import proofs
from light_client.messages.codec import decode_message
from light_client.messages.proofs import GetAccount, GetTrades
from light_client.messages.submission import SubmitTx
from light_client.rules.crypto import address_of
from light_client.rules.ledger.transactions import signer_of
from light_client.rules.units import Address
from light_client.session.actor import PeerName, Send
from light_client.session.channels import channel_of
from testbed.cast import Cast
from testbed.scenarios import catalogue
from testbed.scenarios.part import part_of
from testbed.simulation.day import SimulatedDay, cast_of, run_day


@cache
def _cast() -> Cast:
    """Two homes that sell and one that buys, for six intervals."""
    file = catalogue.find("village")
    scenario = part_of(catalogue.build(file), skip=44, intervals=6)
    sells = {offer.home_id for offer in scenario.offers if offer.side.name == "SELL"}
    buys = {offer.home_id for offer in scenario.offers if offer.side.name == "BUY"} - sells
    keep = {min(sells), *sorted(buys)[:2]}
    few = replace(
        scenario,
        homes=tuple(home for home in scenario.homes if home.home_id in keep),
        offers=tuple(offer for offer in scenario.offers if offer.home_id in keep),
    )
    return cast_of(file, few, 7)


class _Servers:
    """What miners can tell from their connections: an identity is a channel, or what is none."""

    def __init__(self, meters: frozenset[PeerName]) -> None:
        self._meters = meters
        self._sent: list[tuple[PeerName, Send]] = []

    def see(self, sender: PeerName, send: Send) -> None:
        if sender in self._meters:
            self._sent.append((sender, send))

    def addresses(self, day: SimulatedDay) -> dict[tuple[PeerName, PeerName], set[Address]]:
        """(home, name that it dialled) -> addresses that were spoken of there."""
        owners = {number: offer.address for number, offer in day.observed.record.offers.items()}
        found = defaultdict[tuple[PeerName, PeerName], set[Address]](set)
        for sender, send in self._sent:
            match decode_message(send.message):
                case SubmitTx(raw=raw):
                    found[sender, send.peer].add(Address(address_of(signer_of(raw))))
                case GetAccount(address=address):
                    found[sender, send.peer].add(address)
                case GetTrades(offers=offers):
                    found[sender, send.peer] |= {owners[number] for number in offers}
        return found


def _told() -> dict[tuple[PeerName, PeerName], set[Address]]:
    servers = _Servers(frozenset(_cast().meter_names))
    day = run_day(_cast(), on_send=servers.see)
    assert sum(len(trades) for trades in day.observed.record.trades.values()) > 5
    assert {meter.client.proofs.unproven for meter in day.meters} == {0}, "all of it was proven over channels"
    return servers.addresses(day)


def test_an_identity_speaks_of_one_address() -> None:
    told = _told()
    assert sum(map(len, told.values())) > 10
    assert all(len(addresses) == 1 for addresses in told.values())
    assert all("/" in peer for _, peer in told), "the connection that follows the chain speaks of none"
    by_home = {home: set().union(*(told[key] for key in told if key[0] == home)) for home, _ in told}
    assert all(len(addresses) > 1 for addresses in by_home.values()), "there was something to tell apart"


@pytest.mark.parametrize("module", [submitting, proofs])
def test_a_home_with_one_channel_for_all_is_found_out(
    monkeypatch: pytest.MonkeyPatch, module: object
) -> None:
    def together(peer: PeerName, address: Address) -> PeerName:
        return channel_of(peer, Address(bytes(len(address))))

    monkeypatch.setattr(module, "channel_of", together)
    assert any(len(addresses) > 1 for addresses in _told().values())
