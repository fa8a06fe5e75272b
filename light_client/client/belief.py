"""What one meter believes of the chain: which headers it trusts, what it checked of them, and how far.

Three levels, each of which the status names: *headers* (quorum of the known committee), *own trades* (inclusion,
against one's own offers), *whole solutions* (the clearing re-judged from the offers, by certificate). Nothing here
sends or waits; whatever a server says is handed in, and judged by the rules.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from light_client.rules.ancestry import (
    header_is_an_ancestor,
    headers_are_linked,
    history_has_only_grown,
)
from light_client.rules.checkpoint import Checkpoint, verify_checkpoint
from light_client.rules.errors import RuleViolation
from light_client.rules.holdings import TradeProof, balance_follows_from_trades, verify_trade
from light_client.rules.ledger.audit import Followed, MarketReplica
from light_client.rules.ledger.block import Header, body_from_bytes
from light_client.rules.ledger.committee import Committee
from light_client.rules.ledger.fork import CertifiedHeader, Fork, check_fork, fork_of
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.records import Account, account_from_bytes, account_key
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
from light_client.rules.statetree import StateProof, verify_state
from light_client.rules.units import Address
from light_client.rules.verdict import Accepted, Rejected, Undecided, Verdict

HEADERS_KEPT = 256
"""Newest verified headers at hand: what proofs of trades and balances lead to."""
TURNS_KEPT = 4
"""Trusted headers after which another committee signs: what a fork further back is recognised by."""


@dataclass(slots=True)
class Checked:
    """How much was verified, and what was refused."""

    headers: int = 0
    """Headers of which every signature needed was verified."""
    ancestors: int = 0
    """Older headers proven by the history of the trusted one."""
    trades: int = 0
    balances: int = 0
    solutions: int = 0
    """Clearings re-judged completely: feasibility, certificates, shares and money."""
    rejected: int = 0
    by_rule: dict[str, int] = field(default_factory=dict)
    """Rule id -> refusals."""

    def refuse(self, broken: Rejected) -> Rejected:
        """Count a refusal, and hand it back."""
        self.rejected += 1
        self.by_rule[broken.rule] = self.by_rule.get(broken.rule, 0) + 1
        return broken


class Belief:
    """Trusted header, market replica and the account of what was checked."""

    def __init__(
        self,
        genesis: Genesis,
        params: LightParams | None = None,
        read: ReadTransaction = decode_transaction,
        remembered: Sequence[TrustedState] = (),
    ) -> None:
        """Begin at the genesis, or where an earlier life left off.

        Args:
            read: how transactions of bodies are read, see ``MarketReplica``.
            remembered: trusted states of an earlier life in ascending order; the last one is the newest.
        """
        self.genesis = genesis
        self.params = params or LightParams()
        self.trusted: TrustedState = remembered[-1] if remembered else trust_genesis(genesis)
        self.turns: deque[TrustedState] = deque(remembered[:-1], maxlen=TURNS_KEPT)
        self.replica = MarketReplica(genesis, read)
        self.checked = Checked()
        self._headers: dict[int, Header] = {}
        self._know(self.trusted.header)

    def header_at(self, height: int) -> Header | None:
        """A verified header, if it is still at hand."""
        return self._headers.get(height)

    def _know(self, header: Header | None) -> None:
        if header is not None:
            self._headers[header.height] = header
            self._headers.pop(header.height - HEADERS_KEPT, None)

    # -- headers -------------------------------------------------------------------------------------------------------

    def judge(self, update: Update, now_ms: int) -> Verdict:
        """Judge a header that claims to be newer, without trusting it."""
        return verify_update(self.trusted, update, self.genesis, self.params, now_ms)[0]

    def take_update(self, update: Update, now_ms: int) -> Verdict:
        """Judge a header that claims to be newer; trust it if it is accepted."""
        verdict, after = verify_update(self.trusted, update, self.genesis, self.params, now_ms)
        if isinstance(verdict, Accepted):
            self._turn_to(after)
            self.checked.headers += 1
        elif isinstance(verdict, Rejected):
            self.checked.refuse(verdict)
        return verdict

    def take_checkpoint(self, made: Checkpoint, now_ms: int) -> Verdict:
        """Judge a checkpoint of the registry; begin anew from it if it is accepted."""
        registry = self.genesis.registry
        if registry is None:
            return Undecided(missing="a registry in the genesis, whose keys could vouch for a new anchor")
        verdict, after = verify_checkpoint(
            self.trusted,
            made,
            registry=registry,
            params=self.params,
            now_ms=now_ms,
            max_drift_ms=self.genesis.chain.max_drift_ms,
        )
        if isinstance(verdict, Rejected):
            self.checked.refuse(verdict)
        elif isinstance(verdict, Accepted) and after.header_hash != self.trusted.header_hash:
            self._turn_to(after)
        return verdict

    def _turn_to(self, after: TrustedState) -> None:
        if self.trusted.committee != self.trusted.signers:
            self.turns.append(self.trusted)
        self.trusted = after
        self._know(after.header)

    def take_ancestors(
        self, headers: Sequence[Header], inclusion: tuple[bytes, ...], consistency: tuple[bytes, ...]
    ) -> Verdict:
        """Judge headers in sequence, the last of which is the trusted one or claims to be in its history.

        Args:
            inclusion, consistency: proofs of the last one; not needed where it is the trusted one.
        """
        head, last = self.trusted.header, headers[-1]
        try:
            if head is None or last.hash() != head.hash():
                if head is None or last.height >= head.height:
                    raise RuleViolation(  # noqa: TRY301 - one place turns a broken rule into a refusal
                        "LC-16", "a header in the place of the trusted one", got=last.height
                    )
                header_is_an_ancestor(head, last, inclusion)
                history_has_only_grown(head, last, consistency)
            headers_are_linked(headers)
        except RuleViolation as broken:
            return self.checked.refuse(Rejected(rule=broken.rule, reason=str(broken)))
        for header in headers:
            self._headers[header.height] = header
        self.checked.ancestors += len(headers)
        return Accepted()

    def anchor_at(self, height: int) -> TrustedState | None:
        """What was trusted at a height, with the signatures that made it so: the newest header, or a turn."""
        for state in (self.trusted, *self.turns):
            if state.height == height and state.certificate is not None:
                return state
        return None

    def anchor_below(self, height: int) -> TrustedState | None:
        """The newest turn below a height."""
        below = [state for state in self.turns if state.height < height and state.certificate is not None]
        return max(below, key=lambda state: state.height, default=None)

    def committee_of(self, committee_hash: bytes) -> Committee | None:
        """A committee that signs, or signed at a turn that is remembered; None for any other."""
        states = (self.trusted, *self.turns)
        known = [
            self.genesis.committee,
            *(each for state in states for each in (state.signers, state.committee)),
        ]
        return next((committee for committee in known if committee.hash() == committee_hash), None)

    def contradicts(self, other: CertifiedHeader) -> Fork | None:
        """A fork, if another header is certified at a height where one is trusted; None if that is not proven.

        Raises:
            RuleViolation: LC-19, CNS-03 to CNS-05: what was brought is no certified header of that committee.
        """
        anchor = self.anchor_at(other.header.height)
        if anchor is None or anchor.header is None or anchor.certificate is None:
            return None
        fork = fork_of(CertifiedHeader(header=anchor.header, certificate=anchor.certificate), other)
        check_fork(fork, self.trusted.chain_id, anchor.signers)
        return fork

    # -- bodies, trades and balances -----------------------------------------------------------------------------------

    def take_body(self, header: Header, raw: bytes) -> Followed | Rejected | Undecided:
        """Follow the body of a verified header, the next after the replica's, and re-judge what it clears.

        A refusal of a body that matches its header means that a quorum signed a wrong clearing: the chain must not be
        believed any further.
        """
        if self._headers.get(header.height) != header or header.height != self.replica.height + 1:
            return Undecided(missing=f"the block of height {self.replica.height + 1}")
        try:
            followed = self.replica.follow(header, body_from_bytes(raw, self.genesis.chain))
        except RuleViolation as broken:
            return self.checked.refuse(Rejected(rule=broken.rule, reason=str(broken)))
        self._headers.pop(header.height - HEADERS_KEPT, None)
        if followed.cleared is not None:
            self.checked.solutions += 1
        return followed

    def take_trade(
        self, header: Header, offer_id: int, offer: Offer, trade: Trade, proof: TradeProof
    ) -> Verdict:
        """Check one's own final trade under a verified header."""
        try:
            verify_trade(header, offer_id, offer, trade, proof)
        except RuleViolation as broken:
            return self.checked.refuse(Rejected(rule=broken.rule, reason=str(broken)))
        self.checked.trades += 1
        return Accepted()

    def take_balance(
        self, header: Header, address: Address, record: bytes | None, proof: StateProof, expected: Account
    ) -> Verdict:
        """Check the own account under a verified header, and against the verified trades.

        Args:
            record: the account's canonical bytes; None where none exists, which is proven too and then undecided: the
                address was emptied already, or nothing was granted yet.
        """
        try:
            verify_state(header.state_root, account_key(address), record, proof)
            if record is None:
                return Undecided(missing="an account of this address")
            balance_follows_from_trades(account_from_bytes(record), expected)
        except RuleViolation as broken:
            return self.checked.refuse(Rejected(rule=broken.rule, reason=str(broken)))
        self.checked.balances += 1
        return Accepted()
