"""A full copy of the ledger that follows the committee: every block re-judged, nothing taken on trust."""

from __future__ import annotations

from light_client.rules.ledger.block import Block, Header, body_from_bytes
from light_client.rules.ledger.chain import genesis_tip, judge_block
from light_client.rules.ledger.committee import QuorumCertificate, Verify
from light_client.rules.ledger.execution import Outcome
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.state import LedgerState
from light_client.rules.light import Update, header_is_certified


class LedgerFollower:
    """State and tip of one chain."""

    def __init__(self, genesis: Genesis, verify_signature: Verify) -> None:
        self.genesis = genesis
        self.state = LedgerState(genesis)
        self.tip = genesis_tip(genesis)
        self._verify = verify_signature

    def take(self, header: Header, certificate: QuorumCertificate, body: bytes) -> Outcome:
        """Check quorum and content of the next block, then adopt it.

        Raises:
            RuleViolation: the first broken rule; the copy is unchanged then.
        """
        update = Update(header=header, certificate=certificate)
        header_is_certified(self.state.committee, self.state.chain_id, update, self._verify)
        block = Block(header=header, body=body_from_bytes(body, self.genesis.chain))
        outcome = judge_block(self.state, self.tip, block, self._verify)
        self.state.adopt(outcome.draft, header.hash())
        self.tip = self.tip.extend(header)
        return outcome
