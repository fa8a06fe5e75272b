"""Random days against a naive ledger: plain dictionaries, fractions of money, no trees, no drafts, no classes.

The model knows what must hold and not how the rules get there: it takes the energy of each trade from the block (the
market's oracles judge it) and recomputes accounts, escrows, closings, sequence numbers and refusals by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.transactions import SignedTransaction
from light_client.rules.market.clearing import Trade, needs_no_solution
from light_client.rules.units import Side
from testbed.solver.solve import solve
from tests.ledger_kit import BUY, FIRST, SELL, Chain, Person, genesis

WH = 3_600
UNIFORM = 100_000
HORIZON = 4


@dataclass(slots=True)
class Purse:
    """One address as the model sees it."""

    feeder: int
    first: int
    last: int
    energy: dict[Side, int]
    money: int
    done: dict[Side, int] = field(default_factory=lambda: {SELL: 0, BUY: 0})
    sequence: int = 0


@dataclass(slots=True)
class Paper:
    """One open offer as the model sees it."""

    owner: int
    side: Side
    left: int
    price: int
    last: int
    escrow: int


class LedgerMachine(RuleBasedStateMachine):
    """Grants, offers, clearings and deposits in any order."""

    chain: Chain

    def __init__(self) -> None:
        super().__init__()
        self.purses: dict[int, Purse] = {}
        self.papers: dict[int, Paper] = {}
        self.next_offer = 1

    @initialize(
        uniform=st.booleans(), c_ext_w=st.sampled_from([100_000, 16, 0]), t_clear=st.sampled_from([1, 2])
    )
    def start(self, uniform: bool, c_ext_w: int, t_clear: int) -> None:
        """Choose the kind of market."""
        price = UNIFORM if uniform else None
        self.chain = Chain(genesis(price=price, c_ext_w=c_ext_w, t_clear=t_clear, horizon=HORIZON))
        self.uniform = uniform
        for who in range(5):
            self.give(who, sells=90, buys=90, money=1_000_000, span=30)

    def give(self, who: int, *, sells: int, buys: int, money: int, span: int) -> None:
        """Grant to somebody, perhaps for the second time."""
        first = self.chain.state.meta.next_interval
        asset = Person(who, feeder=who % 3 + 1).asset(
            sells_j=sells * WH, buys_j=buys * WH, money_uc=money, first=first, last=first + span
        )
        self.expect(who not in self.purses, self.chain.grant(asset))
        if who not in self.purses:
            energy = {SELL: sells * WH, BUY: buys * WH}
            self.purses[who] = Purse(who % 3 + 1, first, first + span, energy, money)

    def expect(self, ok: bool, *transactions: SignedTransaction) -> None:
        """Hold the ledger to the model's word on whether a block passes."""
        try:
            self.chain.add(*transactions, at_ms=self.chain.tip.time_ms + 1)  # far from any gate or deadline
        except RuleViolation as broken:
            assert not ok, f"the model expected no refusal: {broken}"
        else:
            assert ok, "the model expected a refusal"

    @rule(
        who=st.integers(4, 7),
        sells=st.integers(0, 9),
        buys=st.integers(0, 9),
        money=st.sampled_from([0, 50, 10_000]),
        span=st.integers(0, 6),
    )
    def grant(self, who: int, sells: int, buys: int, money: int, span: int) -> None:
        """Grant a little to somebody, perhaps for the second time."""
        self.give(who, sells=sells, buys=buys, money=money, span=span)

    @rule(data=st.data())
    def trade(self, data: st.DataObject) -> None:
        """Let a few sellers and buyers post what will mostly fit."""
        for side, prices in ((SELL, [0, 7_777]), (BUY, [7_777, 50_001])):
            for who in data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4)):
                price = data.draw(st.sampled_from(prices))
                self.post(
                    who=who,
                    side=side,
                    lots=data.draw(st.integers(1, 6)),
                    price=price if not self.uniform else UNIFORM,
                    start=data.draw(st.integers(0, 1)) + (self.chain.state.meta.gate_offer is not None),
                    length=data.draw(st.integers(0, 2)),
                    stale=False,
                )

    @rule(
        who=st.integers(0, 7),
        side=st.sampled_from([SELL, BUY]),
        lots=st.integers(1, 6),
        price=st.sampled_from([0, 7_777, UNIFORM, 3_333_333]),
        start=st.integers(-1, 3),
        length=st.integers(0, 2),
        stale=st.booleans(),
    )
    def post(self, who: int, side: Side, lots: int, price: int, start: int, length: int, stale: bool) -> None:
        """Post an offer, good or bad."""
        price = UNIFORM if self.uniform and price else price
        meta = self.chain.state.meta
        first = meta.next_interval + start
        last, energy = first + length, lots * WH
        purse = self.purses.get(who)
        escrow = -(-energy * price // 3_600_000) + length if side is BUY else 0
        open_from = meta.next_interval + (1 if meta.gate_offer is not None else 0)
        ok = (
            purse is not None
            and not stale
            and open_from <= first
            and last < open_from + HORIZON
            and purse.first <= first
            and last <= purse.last
            and energy <= purse.energy[side]
            and escrow <= purse.money
            and (not self.uniform or price == UNIFORM)
        )
        person = Person(who, feeder=who % 3 + 1)
        sequence = (purse.sequence if purse else 0) + (7 if stale else 0)
        offer = person.offer(side, energy, price, ((first, last),))
        self.expect(ok, self.chain.post(person, offer, sequence=sequence))
        if ok and purse is not None:
            purse.energy[side] -= energy
            purse.money -= escrow
            purse.sequence += 1
            self.papers[self.next_offer] = Paper(who, side, energy, price, last, escrow)
            self.next_offer += 1

    @rule(who=st.integers(0, 7))
    def deposit(self, who: int) -> None:
        """Hand everything back, if it is anything."""
        purse = self.purses.get(who)
        if purse is None:
            return
        busy = any(paper.owner == who for paper in self.papers.values())
        held = (*purse.energy.values(), *purse.done.values(), purse.money)
        ok = not busy and any(held)
        self.expect(ok, self.chain.deposit(Person(who, feeder=who % 3 + 1)))
        if ok:
            purse.energy, purse.done, purse.money = {SELL: 0, BUY: 0}, {SELL: 0, BUY: 0}, 0
            purse.sequence += 1

    @precondition(lambda self: self.chain.state.meta.gate_offer is None)
    @rule(quiet=st.sampled_from([False, False, False, True]))
    def close_the_gate(self, quiet: bool) -> None:
        """Let the next interval's gate time come, now and then without anything to clear."""
        if needs_no_solution(self.chain.problem()) and not quiet:
            return
        interval = self.chain.state.meta.next_interval
        outcome = self.chain.add(at_ms=max(self.chain.gate(interval), self.chain.tip.time_ms + 1))
        self.settle(interval, outcome.trades, cleared=outcome.clearing.how.name != "NOTHING")

    @precondition(lambda self: self.chain.state.meta.gate_offer is not None)
    @rule(solved=st.sampled_from([True, True, True, False]))
    def clear(self, solved: bool) -> None:
        """Clear by a solver, or by what is left of an earlier plan."""
        interval = self.chain.state.meta.next_interval
        problem = self.chain.problem()
        assert not needs_no_solution(problem)
        if solved:
            solution = self.chain.solution(solve(problem).solution)
            outcome = self.chain.add(solution=solution, at_ms=self.chain.tip.time_ms + 1)
        else:
            outcome = self.chain.add(at_ms=max(self.chain.deadline(interval), self.chain.tip.time_ms + 1))
        assert outcome.clearing.how.name == ("PROVEN" if solved else "KEPT")
        assert outcome.clearing.gap_j >= 0
        self.settle(interval, outcome.trades, cleared=True)

    @rule(data=st.data(), solved=st.sampled_from([True, True, False]))
    def pass_an_interval(self, data: st.DataObject, solved: bool) -> None:
        """Trade, close the gate and clear, as on most days."""
        self.trade(data)
        if self.chain.state.meta.gate_offer is None:
            self.close_the_gate(quiet=False)
        if self.chain.state.meta.gate_offer is not None:
            self.clear(solved=solved)

    def settle(self, interval: int, trades: tuple[Trade, ...], *, cleared: bool) -> None:
        """Apply final trades to the model, with the bounds that every trade must keep."""
        if not cleared:
            assert trades == ()
            return
        sold = bought = received = paid = 0
        for trade in trades:
            paper = self.papers[trade.offer_id]
            purse = self.purses[paper.owner]
            assert 0 < trade.energy_j <= paper.left
            assert trade.interval == interval <= paper.last
            paper.left -= trade.energy_j
            purse.done[paper.side] += trade.energy_j
            exact = trade.energy_j * paper.price
            if paper.side is SELL:
                assert (trade.amount_uc + 1) * 3_600_000 > exact
                purse.money += trade.amount_uc
                sold, received = sold + trade.energy_j, received + trade.amount_uc
            else:
                assert (trade.amount_uc - 1) * 3_600_000 < exact
                paper.escrow -= trade.amount_uc
                assert paper.escrow >= 0
                bought, paid = bought + trade.energy_j, paid + trade.amount_uc
        assert (sold, received) == (bought, paid)
        for number in [n for n, paper in self.papers.items() if not paper.left or paper.last <= interval]:
            paper = self.papers.pop(number)
            purse = self.purses[paper.owner]
            purse.energy[paper.side] += paper.left
            purse.money += paper.escrow

    @invariant()
    def the_ledger_is_the_model(self) -> None:
        """Every account and every open offer, to the last joule and unit."""
        if not hasattr(self, "chain"):
            return
        accounts = self.chain.state.accounts
        assert len(accounts) == len(self.purses)
        for who, purse in self.purses.items():
            account = accounts[Person(who).address]
            assert (account.production_j, account.consumption_j) == (purse.energy[SELL], purse.energy[BUY])
            assert (account.sold_j, account.bought_j) == (purse.done[SELL], purse.done[BUY])
            assert (account.money_uc, account.next_sequence) == (purse.money, purse.sequence)
            assert account.open_offers == sum(paper.owner == who for paper in self.papers.values())
        offers = self.chain.state.offers
        assert {number: (offer.remaining_j, offer.escrow_uc) for number, offer in offers.items()} == {
            number: (paper.left, paper.escrow) for number, paper in self.papers.items()
        }
        assert self.chain.state.meta.next_interval >= FIRST


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
