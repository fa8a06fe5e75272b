"""The light client of one meter: which headers it trusts, what it checked of them, and how far.

Three levels, each of which the status names: *headers* (quorum of the known committee), *own trades* (inclusion,
against one's own offers), *whole solutions* (the clearing re-judged from the offers, by certificate). Nothing here
opens a socket; messages are handed in by the actor that owns the client.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from light_client.rules.errors import RuleViolation
from light_client.rules.holdings import TradeProof, verify_trade
from light_client.rules.ledger.audit import Followed, MarketReplica
from light_client.rules.ledger.block import Header, body_from_bytes
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.transactions import ReadTransaction, decode_transaction
from light_client.rules.light import (
    LightParams,
    TrustedState,
    Update,
    trust_genesis,
    verify_update,
)
from light_client.rules.market.clearing import Trade
from light_client.rules.market.offer import Offer
from light_client.rules.verdict import Accepted, Rejected, Undecided, Verdict


@dataclass(slots=True)
class Checked:
    """How much was verified, and what was refused."""

    headers: int = 0
    trades: int = 0
    solutions: int = 0
    """Clearings re-judged completely: feasibility, certificates, shares and money."""
    rejected: int = 0
    by_rule: dict[str, int] = field(default_factory=dict)
    """Rule id -> refusals."""

    def refuse(self, broken: Rejected) -> None:
        """Count a refusal."""
        self.rejected += 1
        self.by_rule[broken.rule] = self.by_rule.get(broken.rule, 0) + 1


class LightClient:
    """Trusted header, market replica and the account of what was checked."""

    def __init__(
        self,
        genesis: Genesis,
        params: LightParams | None = None,
        read: ReadTransaction = decode_transaction,
    ) -> None:
        """Begin at the genesis; ``read`` reads the transactions of bodies, see ``MarketReplica``."""
        self.genesis = genesis
        self.params = params or LightParams()
        self.trusted: TrustedState = trust_genesis(genesis)
        self.replica = MarketReplica(genesis, read)
        self.checked = Checked()

    def take_header(self, update: Update, now_ms: int) -> Verdict:
        """Judge a header that claims to be newer; trust it if it is accepted."""
        verdict, self.trusted = verify_update(self.trusted, update, self.genesis, self.params, now_ms)
        if isinstance(verdict, Accepted):
            self.checked.headers += 1
        elif isinstance(verdict, Rejected):
            self.checked.refuse(verdict)
        return verdict

    def take_body(self, raw: bytes) -> Followed | Rejected | Undecided:
        """Follow the body of the trusted header and re-judge what it clears.

        A refusal of a body that matches its header means that a quorum signed a wrong clearing: the chain must not be
        believed any further.
        """
        header = self.trusted.header
        if header is None or header.height != self.replica.height + 1:
            return Undecided(missing=f"the block of height {self.replica.height + 1}")
        try:
            followed = self.replica.follow(header, body_from_bytes(raw, self.genesis.chain))
        except RuleViolation as broken:
            refused = Rejected(rule=broken.rule, reason=str(broken))
            self.checked.refuse(refused)
            return refused
        if followed.cleared is not None:
            self.checked.solutions += 1
        return followed

    def take_trade(
        self,
        header: Header,
        offer_id: int,
        offer: Offer,
        trade: Trade,
        proof: TradeProof,
    ) -> Verdict:
        """Check one's own final trade under a trusted header."""
        try:
            verify_trade(header, offer_id, offer, trade, proof)
        except RuleViolation as broken:
            refused = Rejected(rule=broken.rule, reason=str(broken))
            self.checked.refuse(refused)
            return refused
        self.checked.trades += 1
        return Accepted()
