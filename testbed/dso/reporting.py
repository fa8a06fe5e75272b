"""Reporting to the ledger what registered miners promised and delivered, stretch after stretch."""

from __future__ import annotations

from collections.abc import Callable

from light_client.rules.ledger.chain import Tip
from light_client.rules.ledger.delivery import DeliveryRow, ReportDelivery
from light_client.rules.ledger.state import LedgerState
from light_client.rules.ledger.transactions import sign_transaction

Delivered = Callable[[bytes, int, int], tuple[int, int]]
"""(public key of a miner, first interval, last interval) -> promised, delivered in J: the grid operator's meters."""


class Reporter:
    """Makes one report for every so many intervals that are over."""

    def __init__(self, secret: bytes, delivered: Delivered, intervals: int, *, settling: int = 0) -> None:
        """Bind them.

        Args:
            intervals: of one report.
            settling: so many intervals pass before a stretch is reported: meters have to report first.
        """
        self._secret = secret
        self._delivered = delivered
        self._intervals = intervals
        self._settling = settling
        self._made: tuple[int, bytes] | None = None

    def due(self, state: LedgerState, tip: Tip) -> bytes | None:
        """The report that the ledger lacks, signed; None if none is due.

        The same bytes until it is on the ledger, however often it is asked for.
        """
        first = state.meta.next_report
        over = tip.time_ms // (state.genesis.market.interval_s * 1_000) - 1
        candidates = () if state.registry is None else state.registry.candidates
        if not candidates or over - self._settling - first + 1 < self._intervals:
            return None
        if self._made is None or self._made[0] != first:
            self._made = (first, self._report(state, candidates, first))
        return self._made[1]

    def _report(self, state: LedgerState, candidates: tuple[bytes, ...], first: int) -> bytes:
        last = first + self._intervals - 1
        rows = []
        for miner in candidates:
            promised_j, delivered_j = self._delivered(miner, first, last)
            rows.append(DeliveryRow(public_key=miner, promised_j=promised_j, delivered_j=delivered_j))
        report = ReportDelivery(first_interval=first, last_interval=last, rows=tuple(rows))
        return sign_transaction(report, state.chain_id, self._secret).raw
