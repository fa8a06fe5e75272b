"""Applying transactions: every condition first, then the change, so that a refused transaction leaves no trace."""

from __future__ import annotations

from operator import add

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.committee import Verify
from light_client.rules.ledger.convict import convict
from light_client.rules.ledger.delivery import ReportDelivery
from light_client.rules.ledger.events import (
    AssetAdded,
    DeliveryReported,
    Deposited,
    Event,
    FinancialAdded,
    LimitImproved,
    OfferPosted,
    RegistryChanged,
)
from light_client.rules.ledger.improvement import ImproveOffer
from light_client.rules.ledger.records import Account, Amounts
from light_client.rules.ledger.registry import ChangeRegistry, check_registry_change
from light_client.rules.ledger.state import Draft, held
from light_client.rules.ledger.transactions import (
    DepositAssets,
    GrantAssets,
    PostOffer,
    SignedTransaction,
    SubmitEvidence,
    check_signature,
)
from light_client.rules.market.admission import check_admissible
from light_client.rules.market.mechanisms.reaction import improve
from light_client.rules.market.offer import OpenOffer
from light_client.rules.market.settlement import most_owed_uc
from light_client.rules.units import Address, OfferId, Side

MAX_GRANTED = 1 << 60
"""Most energy of a side (J), and most money (micro-currency), that is ever granted on one chain."""
MAX_OPEN_OFFERS = 64
"""Most open offers of one address: posting costs nothing, so a few grants must not fill every ledger and replica."""


def apply_transaction(
    draft: Draft,
    signed: SignedTransaction,
    verify_signature: Verify,
    events: list[Event],
) -> None:
    """Check one transaction completely, then apply it; a refused one leaves the draft as it was.

    Raises:
        RuleViolation: LED-03 to LED-17, LED-51 to LED-54, MKT-07 to MKT-09, MKT-36 to MKT-38, CNS-22 to CNS-27,
            EVI-03 to EVI-09.
    """
    check_signature(signed, draft.base.chain_id, verify_signature)
    match signed.transaction:
        case GrantAssets() as grant:
            _grant(draft, signed, grant, events)
        case PostOffer() as post:
            _post(draft, post, events)
        case DepositAssets() as deposit:
            _deposit(draft, signed.address, deposit, events)
        case ImproveOffer() as improvement:
            _improve(draft, signed.address, improvement, events)
        case ReportDelivery() as report:
            _report(draft, signed, report, events)
        case ChangeRegistry() as change:
            _change_registry(draft, change, verify_signature, events)
        case SubmitEvidence(evidence=evidence):
            convict(draft, evidence, verify_signature, events)
        case _:
            raise RuleViolation(
                "LED-22",
                "a solution stands among the transactions",
                got="a solution",
                expected="its own place",
            )


def _grant(draft: Draft, signed: SignedTransaction, grant: GrantAssets, events: list[Event]) -> None:
    if signed.public_key != draft.genesis.dso_key:
        raise RuleViolation(
            "LED-04",
            "only the DSO grants assets",
            got=signed.public_key,
            expected=draft.genesis.dso_key,
        )
    if grant.sequence != draft.meta.next_grant:
        raise RuleViolation(
            "LED-05",
            "number of a batch of grants",
            got=grant.sequence,
            expected=draft.meta.next_grant,
        )
    for asset in grant.assets:
        if draft.account(asset.address) is not None:
            raise RuleViolation(
                "LED-07",
                "the address was granted before",
                got=asset.address,
                expected="a fresh address",
            )
        if asset.feeder not in draft.base.grid.ext_j:
            raise RuleViolation(
                "LED-06",
                "feeder of a grant",
                got=asset.feeder,
                expected="a feeder of the grid",
            )
    granted = _granted_with(draft.meta.granted, grant)
    for asset in grant.assets:
        draft.accounts[asset.address] = Account(
            feeder=asset.feeder,
            first_interval=asset.first_interval,
            last_interval=asset.last_interval,
            production_j=asset.production_j,
            consumption_j=asset.consumption_j,
            money_uc=asset.money_uc,
        )
        if asset.production_j or asset.consumption_j:
            events.append(
                AssetAdded(
                    address=asset.address,
                    production_j=asset.production_j,
                    consumption_j=asset.consumption_j,
                )
            )
        if asset.money_uc:
            events.append(FinancialAdded(address=asset.address, money_uc=asset.money_uc))
    draft.meta = draft.meta._replace(granted=granted, next_grant=grant.sequence + 1)


def _granted_with(before: Amounts, grant: GrantAssets) -> Amounts:
    """LED-16: what was ever granted, this batch included, stays a number that all later sums can be encoded with."""
    after = before._replace(
        production_j=before.production_j + sum(asset.production_j for asset in grant.assets),
        consumption_j=before.consumption_j + sum(asset.consumption_j for asset in grant.assets),
        money_uc=before.money_uc + sum(asset.money_uc for asset in grant.assets),
    )
    most = max(after.production_j, after.consumption_j, after.money_uc)
    if most > MAX_GRANTED:
        raise RuleViolation("LED-16", "everything ever granted", got=most, expected=f"at most {MAX_GRANTED}")
    return after


def first_open_interval(draft: Draft) -> int:
    """The first interval that new offers may name: neither the one being cleared nor any whose gate time has passed.

    The two differ where a stalled chain catches up: without the second, one could offer for an interval that is over.
    """
    waiting = draft.meta.next_interval + (draft.meta.gate_offer is not None)
    return max(waiting, draft.genesis.first_open_interval(draft.time_ms))


def _post(draft: Draft, post: PostOffer, events: list[Event]) -> None:
    offer = post.offer
    account = draft.known_account(offer.address)
    if post.sequence != account.next_sequence:
        raise RuleViolation(
            "LED-09",
            "sequence number of an address",
            got=post.sequence,
            expected=account.next_sequence,
        )
    if account.open_offers >= MAX_OPEN_OFFERS:
        raise RuleViolation(
            "LED-17",
            "open offers of an address",
            got=account.open_offers + 1,
            expected=f"at most {MAX_OPEN_OFFERS}",
        )
    if offer.feeder != account.feeder:
        raise RuleViolation("LED-10", "feeder of an offer", got=offer.feeder, expected=account.feeder)
    check_admissible(
        offer,
        first_open=first_open_interval(draft),
        params=draft.genesis.market,
        grid=draft.base.grid,
    )
    first, last = offer.ranges[0][0], offer.ranges[-1][1]
    if first < account.first_interval or last > account.last_interval:
        granted = (account.first_interval, account.last_interval)
        raise RuleViolation(
            "LED-11",
            "intervals of an offer against its grant",
            got=(first, last),
            expected=granted,
        )
    production_j, consumption_j, money_uc = account.production_j, account.consumption_j, account.money_uc
    escrow_uc = 0
    if offer.side == Side.SELL:
        asset_j, production_j = production_j, production_j - offer.energy_j
    else:
        escrow_uc = most_owed_uc(offer.energy_j, offer.price_uc_per_kwh, offer.ranges)
        asset_j, consumption_j = consumption_j, consumption_j - offer.energy_j
        money_uc -= escrow_uc
    if offer.energy_j > asset_j:
        raise RuleViolation(
            "LED-12",
            "energy offered against what was granted",
            got=offer.energy_j,
            expected=asset_j,
        )
    if money_uc < 0:
        raise RuleViolation(
            "LED-13",
            "money set aside for an offer",
            got=escrow_uc,
            expected=account.money_uc,
        )
    offer_id = OfferId(draft.meta.next_offer)
    # In order and not by name: this is done twice for every offer, on admission and in its block.
    draft.accounts[offer.address] = Account(
        account.feeder,
        account.first_interval,
        account.last_interval,
        production_j,
        consumption_j,
        money_uc,
        account.sold_j,
        account.bought_j,
        post.sequence + 1,
        account.open_offers + 1,
    )
    draft.offers[offer_id] = OpenOffer(
        offer_id,
        offer.address,
        offer.side,
        offer.feeder,
        offer.price_uc_per_kwh,
        offer.ranges,
        offer.energy_j,
        escrow_uc,
    )
    draft.meta = draft.meta.with_next_offer(offer_id + 1)
    events.append(OfferPosted(offer_id=offer_id, address=offer.address))


def _improve(draft: Draft, address: Address, improvement: ImproveOffer, events: list[Event]) -> None:
    """Improve a limit for the second stage; a buyer sets aside what it may now owe."""
    account = draft.known_account(address)
    if improvement.sequence != account.next_sequence:
        raise RuleViolation(
            "LED-09",
            "sequence number of an address",
            got=improvement.sequence,
            expected=account.next_sequence,
        )
    offer_id, limit = improvement.offer_id, improvement.limit_uc_per_kwh
    offer, reaction = improve(draft.reaction, draft.find_offer(offer_id), address, limit)
    more_uc = 0
    if offer.side == Side.BUY:
        more_uc = max(0, most_owed_uc(offer.remaining_j, limit, offer.ranges) - offer.escrow_uc)
    if more_uc > account.money_uc:
        raise RuleViolation(
            "LED-13", "money set aside for an improved limit", got=more_uc, expected=account.money_uc
        )
    draft.accounts[address] = account._replace(
        money_uc=account.money_uc - more_uc, next_sequence=improvement.sequence + 1
    )
    draft.offers[offer_id] = offer._replace(escrow_uc=offer.escrow_uc + more_uc)
    draft.react(reaction)
    events.append(LimitImproved(offer_id=offer_id, address=address, limit_uc_per_kwh=limit))


def _deposit(draft: Draft, address: Address, deposit: DepositAssets, events: list[Event]) -> None:
    account = draft.known_account(address)
    if deposit.sequence != account.next_sequence:
        raise RuleViolation(
            "LED-09",
            "sequence number of an address",
            got=deposit.sequence,
            expected=account.next_sequence,
        )
    if account.open_offers:
        raise RuleViolation(
            "LED-14",
            "an address with open offers cannot deposit",
            got=account.open_offers,
            expected=0,
        )
    amounts = held(account)
    if amounts == Amounts():
        raise RuleViolation("LED-15", "there is nothing to deposit", got=0, expected="something held")
    draft.accounts[address] = Account(
        feeder=account.feeder,
        first_interval=account.first_interval,
        last_interval=account.last_interval,
        production_j=0,
        consumption_j=0,
        money_uc=0,
        next_sequence=deposit.sequence + 1,
    )
    before = draft.meta.deposited
    after = Amounts(*map(add, before, amounts))
    draft.meta = draft.meta._replace(deposited=after)
    events.append(Deposited(address=address, amounts=amounts))


def _report(draft: Draft, signed: SignedTransaction, report: ReportDelivery, events: list[Event]) -> None:
    genesis, meta = draft.genesis, draft.meta
    if signed.public_key != genesis.dso_key:
        raise RuleViolation(
            "LED-51", "only the DSO reports deliveries", got=signed.public_key, expected=genesis.dso_key
        )
    over = draft.time_ms // (genesis.market.interval_s * 1_000) - 1
    if not meta.next_report <= report.first_interval <= report.last_interval <= over:
        raise RuleViolation(
            "LED-52",
            "intervals of a delivery report",
            got=(report.first_interval, report.last_interval),
            expected=f"{meta.next_report}..{over}",
        )
    candidates = () if draft.registry is None else draft.registry.candidates
    strangers = [row.public_key for row in report.rows if row.public_key not in candidates]
    if strangers:
        raise RuleViolation(
            "LED-53", "who is reported", got=strangers[0], expected="a candidate of the registry"
        )
    epoch = genesis.epochs.epoch_of(draft.height)
    records = {
        row.public_key: draft.delivery(row.public_key).with_report(epoch, row, genesis.epochs.history)
        for row in report.rows
    }
    draft.deliveries.update(records)
    draft.meta = meta._replace(next_report=report.last_interval + 1)
    events.append(DeliveryReported(last_interval=report.last_interval, miners=len(report.rows)))


def _change_registry(
    draft: Draft, change: ChangeRegistry, verify_signature: Verify, events: list[Event]
) -> None:
    """Take the new registry over; what was reported of a miner that leaves it is forgotten."""
    current = draft.registry
    check_registry_change(current, change, draft.base.chain_id, verify_signature)
    draft.registry = change.registry
    leaving = () if current is None else set(current.candidates) - set(change.registry.candidates)
    draft.deliveries.update((key, None) for key in sorted(leaving))
    events.append(RegistryChanged(version=change.registry.version))
