"""The light client of one meter: joins what it believes with whom it asks.

It is a part of an actor: the actor hands it timers and messages, and carries out what comes back. It follows one
server block by block, asks a second one now and then, and stops trading when a committee contradicts itself.
"""

from __future__ import annotations

from random import Random

from light_client.client.alarm import fork_reason, proven_fork, raise_alarm
from light_client.client.anchoring import TIMER as ANCHOR_TIMER
from light_client.client.anchoring import ask_anchor, take_anchor
from light_client.client.belief import Belief
from light_client.client.comparison import Comparison
from light_client.client.intake import Intake, Taken
from light_client.client.keeper import Keeper
from light_client.client.news import Output
from light_client.client.params import (
    ANSWER_BYTES,
    AWAY_MS,
    BLOCKS_OR_PROOFS,
    NEEDED,
    OWN_PROOFS,
    ClientParams,
)
from light_client.client.proofs import OwnProofs, level_of
from light_client.client.situation import FOLLOWS, STUCK, Situation
from light_client.client.status import Standing, Status
from light_client.messages.anchors import (
    CheckpointMessage,
    ForkMessage,
    GetHistory,
    HistoryMessage,
)
from light_client.messages.chain import (
    MAX_UPDATES,
    Announce,
    Blocks,
    GetUpdate,
    NewBlock,
    Unavailable,
    UpdateMessage,
)
from light_client.messages.codec import Message, decode_message, encode_message, type_number_of
from light_client.messages.proofs import AccountMessage, TradesMessage
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.fork import Fork
from light_client.rules.ledger.genesis import Genesis
from light_client.rules.ledger.transactions import ReadTransaction, decode_transaction
from light_client.rules.light import Update
from light_client.rules.verdict import Accepted, Rejected, Undecided, Verdict
from light_client.session.actor import Effect, PeerName, Report, Send, SetTimer, Storage
from light_client.session.channels import base_of, is_channel
from light_client.store import trust
from light_client.sync.servers import Fault, Servers
from light_client.sync.witness import TIMER as WITNESS_TIMER


class LightClient:
    """One meter's view of the chain, and its talk with the servers."""

    def __init__(
        self,
        genesis: Genesis,
        *,
        servers: tuple[PeerName, ...],
        storage: Storage,
        chance: Random,
        params: ClientParams | None = None,
        read: ReadTransaction = decode_transaction,
    ) -> None:
        """Take up what an earlier life left.

        Args:
            storage: where the trusted states are; written by the effects that come back.
            chance: spreads rests and questions to witnesses.
            read: how transactions of bodies are read, see ``MarketReplica``.

        Raises:
            StoreDamagedError: what is stored is not of this chain.
        """
        self.params = params or ClientParams()
        remembered = trust.recall(storage, genesis.chain_id())
        self.belief = Belief(genesis, self.params.light, read, remembered)
        self.servers = Servers(servers, chance, self.params.servers)
        self.proofs = OwnProofs(self.belief, self.servers)
        self._genesis = genesis
        self._follower = self.params.follow.follower_of(self.servers)
        self._comparison = Comparison(self.belief, self.servers, chance, self.params.witness)
        self._intake = Intake(self.belief)
        self._empty_handed = 0  # servers in a row that had none of the old blocks
        self._unaudited = ""
        """Why blocks are not audited; empty while they are."""
        self._keeper = Keeper(self.belief, self.params.persist_ms)
        self._situation = Situation(trust.alarm(storage))

    @property
    def server(self) -> PeerName:
        """The server that is followed."""
        return self.servers.primary

    @property
    def standing(self) -> Standing:
        """What the client is doing."""
        return self._situation.standing

    @property
    def may_trade(self) -> bool:
        """Whether offers may be posted."""
        return self.standing is Standing.FOLLOWING

    @property
    def height(self) -> int:
        """How far the client has followed: audited blocks, or headers where there is no more to be had."""
        belief = self.belief
        return belief.replica.height if self._audits else belief.trusted.height

    @property
    def _audits(self) -> bool:
        return self._follower.wants is Announce.BLOCKS

    def status(self) -> Status:
        """How the client stands."""
        belief = self.belief
        return Status(
            standing=self.standing,
            level=level_of(belief, self.proofs.unproven),
            why=self._situation.why,
            height=belief.trusted.height,
            header_time_ms=belief.trusted.time_ms,
            audited_height=belief.replica.height,
            server=self.server,
            switches=self.servers.switches,
            witness_agreed_ms=self._comparison.planner.agreed_ms,
            unproven_trades=self.proofs.unproven,
            refused=dict(belief.checked.by_rule),
        )

    # -- events --------------------------------------------------------------------------------------------------------

    def start(self, now_ms: int) -> list[Output]:
        """Begin, or take up again after a restart."""
        if self.standing is Standing.HALTED:
            return self._ask_anchor(now_ms)
        return self._sync(now_ms) if self._in_time(now_ms) else self._wait_for_anchor(now_ms)

    def woken(self, name: str, now_ms: int) -> list[Output]:
        """One of ``params.TIMERS`` has run out."""
        if name == ANCHOR_TIMER:
            return self._wait_for_anchor(now_ms)
        if self.standing not in FOLLOWS:
            return []
        if not self._in_time(now_ms):
            return self._wait_for_anchor(now_ms)
        if name == WITNESS_TIMER:
            return [*self._comparison.planner.woken(self.belief.trusted.height, now_ms)]
        self._intake.forget()
        return [*self._follower.woken(self.height, now_ms)]

    def received(self, peer: PeerName, raw: bytes, now_ms: int) -> list[Output]:
        """A message of one of the types in ``params.TAKEN`` came in; its bytes are untrusted."""
        over_channel, peer = is_channel(peer), base_of(peer)
        if peer not in self.servers.names or (over_channel and type_number_of(raw) not in OWN_PROOFS):
            return []
        if not self.servers.admits(peer, len(raw), now_ms):
            return self._refuse(peer, now_ms, Report(name="too-much", value=(peer, len(raw))))
        limit = self._genesis.chain.max_block_bytes + ANSWER_BYTES
        try:
            return self._read(peer, decode_message(raw, max_bytes=limit), now_ms)
        except RuleViolation as broken:
            self.belief.checked.refuse(Rejected(rule=broken.rule, reason=str(broken)))
            return self._refuse(peer, now_ms, Report(name="message-refused", value=(peer, broken.rule)))

    def _read(self, peer: PeerName, message: Message, now_ms: int) -> list[Output]:
        if isinstance(message, CheckpointMessage):
            return self._take_anchor(message, now_ms)
        if self.standing not in FOLLOWS:
            return []
        outputs: list[Output] = []
        match message:
            case Blocks():
                outputs = self._take_blocks(peer, message, now_ms)
            case NewBlock():
                outputs = self._take_announcement(peer, message, now_ms)
            case UpdateMessage():
                outputs = self._take_updates(peer, message, now_ms)
            case HistoryMessage():
                outputs = self._take_history(peer, message, now_ms)
            case _:
                outputs = self._read_other(peer, message, now_ms)
        return outputs

    def _read_other(self, peer: PeerName, message: Message, now_ms: int) -> list[Output]:
        outputs: list[Output] = []
        match message:
            case TradesMessage() | AccountMessage():
                verified, honest = self.proofs.take(message)
                outputs += verified if honest else self._refuse(peer, now_ms)
            case ForkMessage():
                outputs = self._told_of_fork(message, now_ms)
            case Unavailable():
                outputs = self._without(peer, message, now_ms)
        return outputs

    # -- time and anchors ----------------------------------------------------------------------------------------------

    def _in_time(self, now_ms: int) -> bool:
        params, drift_ms = self.params.light, self._genesis.chain.max_drift_ms
        return self._situation.look_at_time(self.belief.trusted, now_ms, params, drift_ms)

    def _wait_for_anchor(self, now_ms: int) -> list[Output]:
        """Look again whether the clock is set by now; ask for a checkpoint where only that helps."""
        waits = (Standing.WAITING_FOR_CLOCK, Standing.EXPIRED)
        if self.standing in waits and self._in_time(now_ms):
            return self._sync(now_ms)
        if self.standing is Standing.WAITING_FOR_CLOCK:
            return [SetTimer(name=ANCHOR_TIMER, at_ms=now_ms + self.params.retry_ms)]
        return self._ask_anchor(now_ms) if self.standing in STUCK else []

    def _ask_anchor(self, now_ms: int) -> list[Output]:
        return [*ask_anchor(self.belief, self.servers, self.params.retry_ms, now_ms)]

    def _take_anchor(self, message: CheckpointMessage, now_ms: int) -> list[Output]:
        """A checkpoint ends an alarm or an expiry; while nothing is wrong nobody needs one."""
        if self.standing not in STUCK:
            return []
        anchored, report = take_anchor(self.belief, message, now_ms)
        if not anchored:
            return [report]
        self._situation.turn(Standing.SYNCING)
        return [*self._keeper.now(), trust.lift(), report, *self._sync(now_ms)]

    def _sync(self, now_ms: int) -> list[Output]:
        """Go for the newest header, then for the blocks up to it."""
        self._situation.turn(Standing.SYNCING)
        self._intake.forget()
        trusted = self.belief.trusted
        away = trusted.height > self.belief.replica.height or now_ms - trusted.time_ms > AWAY_MS
        self._follower.wants = Announce.HEADERS if away else Announce.BLOCKS
        started = self._follower.start(self.height, now_ms)
        return [*self._comparison.planner.start(now_ms), *started]

    def _within_reach(self) -> bool:
        """Whether the blocks up to the trusted header can be had; if not, headers are followed, and why is said."""
        behind = self.belief.trusted.height - self.belief.replica.height
        reached = behind <= self.params.replay_blocks and self._empty_handed < len(self.servers.names)
        self._follower.wants = Announce.BLOCKS if reached else Announce.HEADERS
        self._unaudited = "" if reached else f"the {behind} blocks up to the newest header are out of reach"
        return reached

    def _without_blocks(self) -> None:
        """One more server has thrown the blocks away that are asked for: in the end, go on without them."""
        self._empty_handed += 1
        self._within_reach()

    # -- headers and blocks --------------------------------------------------------------------------------------------

    def _take_announcement(self, peer: PeerName, message: NewBlock, now_ms: int) -> list[Output]:
        """A hint where blocks are followed; the very next header where headers alone are."""
        trusted = self.belief.trusted
        if peer != self.server:
            return []
        if self._audits or message.header.height != trusted.height + 1:
            return [*self._follower.announced(message.header.height, self.height, now_ms)]
        update = Update(header=message.header, certificate=message.certificate)
        return self._advance(peer, (update,), now_ms)

    def _take_updates(self, peer: PeerName, message: UpdateMessage, now_ms: int) -> list[Output]:
        if peer == self._comparison.planner.asked and peer != self.server:
            return self._judged(peer, self._comparison.updates(message, now_ms), now_ms)
        if peer != self.server:
            return []
        first = message.updates[0].header if message.updates else None
        known = None if first is None else self.belief.header_at(first.height)
        if known is not None and known != first:
            return self._judged(peer, self._comparison.updates(message, now_ms), now_ms)
        return self._advance(peer, message.updates, now_ms)

    def _advance(self, peer: PeerName, updates: tuple[Update, ...], now_ms: int) -> list[Output]:
        """Trust the headers that the server leads to, one after the other."""
        received = 0
        for update in updates:
            if update.header.height <= self.belief.trusted.height:
                continue
            verdict = self.belief.take_update(update, now_ms)
            if not isinstance(verdict, Accepted):
                return [*self._keeper.now(), *self._doubt(peer, verdict, now_ms)]
            received += 1
        outputs: list[Output] = [*self._keeper.if_due()]
        if self._audits:
            return outputs + ([*self._follower.start(self.height, now_ms)] if received else [])
        height = self.belief.trusted.height
        if len(updates) == MAX_UPDATES and received:
            return [*outputs, *self._follower.start(height, now_ms)]
        if self._within_reach():
            return [*outputs, *self._follower.start(self.height, now_ms)]
        outputs += self._follower.came(received, height, height, now_ms)
        return outputs + self._caught_up()

    def _doubt(self, peer: PeerName, verdict: Verdict, now_ms: int) -> list[Output]:
        """A header was not accepted: get what is missing, see whether the chain has forked, or leave."""
        if isinstance(verdict, Undecided):
            if verdict.rule == "LC-09":
                request = encode_message(GetUpdate(trusted_height=self.belief.trusted.height))
                return [Send(peer=peer, message=request)]
            return self._refuse(peer, now_ms, fault=Fault.SILENT)
        if isinstance(verdict, Rejected) and verdict.rule in ("LC-04", "LC-06"):
            return [*self._comparison.confront(peer, now_ms), *self._refuse(peer, now_ms, fault=Fault.BEHIND)]
        return self._refuse(peer, now_ms)

    def _take_blocks(self, peer: PeerName, message: Blocks, now_ms: int) -> list[Output]:
        if not self._audits:
            return []
        taken = self._intake.take(peer, message, now_ms)
        if isinstance(taken, GetHistory):
            return [Send(peer=peer, message=encode_message(taken))]
        return self._taken_in(peer, taken, now_ms)

    def _take_history(self, peer: PeerName, message: HistoryMessage, now_ms: int) -> list[Output]:
        judged = self._comparison.history(peer, message, now_ms)
        if judged is not None:
            return self._judged(*judged, now_ms)
        taken = self._intake.prove(peer, message, now_ms)
        return self._taken_in(peer, taken, now_ms) if taken else []

    def _taken_in(self, peer: PeerName, taken: Taken, now_ms: int) -> list[Output]:
        """Go on after blocks were taken in, as far as they were right."""
        outputs: list[Output] = [*taken.verified]
        if taken.by_quorum and isinstance(taken.verdict, Rejected):
            return outputs + self._halt(taken.verdict.reason, None, now_ms)
        if not isinstance(taken.verdict, Accepted):
            return [*outputs, *self._keeper.now(), *self._doubt(peer, taken.verdict, now_ms)]
        outputs += self._keeper.if_due()
        if taken.newest == 0 and self.belief.trusted.height > self.belief.replica.height:
            self._without_blocks()
        elif taken.verified:
            self._empty_handed = 0
        newest = taken.newest if self._audits else self.belief.trusted.height
        outputs += self._follower.came(len(taken.verified), newest, self.height, now_ms)
        return outputs + self._caught_up()

    def _caught_up(self) -> list[Output]:
        """Nothing is asked for any more: the newest header of the server is trusted, and audited as far as it can."""
        if self._follower.waits or self.height < self.belief.trusted.height:
            return []
        self._situation.turn(Standing.FOLLOWING, self._unaudited)
        return []

    # -- servers that fail ---------------------------------------------------------------------------------------------

    def _refuse(
        self, peer: PeerName, now_ms: int, *reports: Report, fault: Fault = Fault.LYING
    ) -> list[Output]:
        """Let a server rest that sent what it should not; if it is the one followed, follow another."""
        if peer == self.server and self.standing in FOLLOWS:
            return [*reports, *self._follower.refused(self.height, now_ms, fault)]
        self.servers.failed(peer, fault, now_ms)
        return [*reports]

    def _without(self, peer: PeerName, message: Unavailable, now_ms: int) -> list[Output]:
        """A server has not got what was asked for: it is behind, or has pruned."""
        compared = self._comparison.unavailable(peer, message, now_ms)
        if compared is not None or peer != self.server:
            return [*(compared or ())]
        if message.height == self.belief.trusted.height == 0:  # an empty chain: there is nothing to skip to
            self._follower.wants = Announce.BLOCKS
            return [*self._follower.start(self.height, now_ms)]
        behind = message.height < self.belief.trusted.height
        if message.request in BLOCKS_OR_PROOFS and not behind:
            self._without_blocks()
        if message.request in NEEDED or behind:
            return self._refuse(peer, now_ms, fault=Fault.BEHIND if behind else Fault.SILENT)
        return []

    # -- witnesses and forks -------------------------------------------------------------------------------------------

    def _judged(self, peer: PeerName, found: list[Effect] | Fork | Fault, now_ms: int) -> list[Output]:
        """Act upon what the comparison with a witness came to."""
        if isinstance(found, Fork):
            return self._halt(fork_reason(found), found, now_ms)
        if isinstance(found, Fault):
            if found is Fault.BEHIND:  # it is ahead, and its word holds: the primary keeps something back
                agreed = self._comparison.planner.agreed(now_ms)
                return [*agreed, *self._refuse(self.server, now_ms, fault=Fault.BEHIND)]
            if peer == self._comparison.planner.asked:
                return [*self._comparison.planner.failed(found, now_ms)]
            return self._refuse(peer, now_ms)
        return [*found]

    def _told_of_fork(self, message: ForkMessage, now_ms: int) -> list[Output]:
        """Somebody says that the chain has forked: believe it if it is proven against what is trusted here."""
        fork = proven_fork(message, self.belief)
        return [] if fork is None else self._halt(fork_reason(fork), fork, now_ms)

    def _halt(self, reason: str, fork: Fork | None, now_ms: int) -> list[Output]:
        """Stop trading, keep the evidence, tell everybody; never go on by oneself."""
        self._situation.turn(Standing.HALTED, reason)
        alarm = raise_alarm(reason, fork, self.servers.names)
        return [*self._keeper.now(), *alarm, *self._ask_anchor(now_ms)]
