"""The same experiment under this project's rules: elections by score as the ledger holds them, punishment by evidence.

A round is an epoch. Whoever is malicious proposes a false result, or votes for one: its signature is evidence that
recomputing confirms, and the next block convicts it; a convicted member is elected no more. A block needs more than two
thirds of the seats, and honest members vote for proven results only, so a false one never gets that many while the
malicious have less than a third of the seats; above that the chain stands still, and a result with a false majority's
signatures would still be refused by every meter, which recomputes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from random import Random

from light_client.rules.ledger.committee import Committee, Member
from light_client.rules.ledger.delivery import DeliveryRecord, DeliveryRow
from light_client.rules.ledger.election import elect
from light_client.rules.ledger.epochs import EpochParams
from light_client.rules.units import JOULES_PER_KWH
from testbed.experiments.dpos import Setting

_CHAIN = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceHistory:
    """One run."""

    shares: tuple[float, ...]
    """Malicious share of the committee at the beginning of each round."""
    stalled: int
    """Rounds without a block: too few honest seats for a quorum."""
    overrun: int
    """Rounds in which the malicious alone would have been a quorum."""


class _Candidates:
    """Everybody who may be elected, in one run."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.chance = Random(f"evidence/{seed}")  # noqa: S311 - a simulation
        self._made = 0
        self.keys = [self._new_key() for _ in range(setting.nodes)]
        self.malicious = set(self.chance.sample(self.keys, setting.nodes * setting.malicious_percent // 100))
        self.plant_kwh = {key: self.chance.randrange(10, 110) for key in self.keys}
        self.records: dict[bytes, DeliveryRecord] = {}

    def _new_key(self) -> bytes:
        self._made += 1
        return b"\x02" + sha256(self._made.to_bytes(4, "big")).digest()

    def replace(self, key: bytes) -> None:
        """The operator of a convicted node registers an honest one in its place."""
        fresh = self._new_key()
        self.keys[self.keys.index(key)] = fresh
        self.plant_kwh[fresh] = self.plant_kwh[key]

    def deliver(self, epoch: int, history: int) -> None:
        """The grid operator reports what every plant promised and delivered."""
        for key in self.keys:
            least = 50 if key in self.malicious else 90
            promised = self.plant_kwh[key]
            row = DeliveryRow(
                public_key=key,
                promised_j=promised * JOULES_PER_KWH,
                delivered_j=promised * self.chance.randint(least, 100) // 100 * JOULES_PER_KWH,
            )
            self.records[key] = self.records.get(key, DeliveryRecord()).with_report(epoch, row, history)

    def turn(self) -> None:
        """Some honest nodes turn malicious."""
        for key in self.keys:
            if key not in self.malicious and self.chance.randrange(100) < self.setting.turn_percent:
                self.malicious.add(key)


def run_with_evidence(setting: Setting, seed: int, *, replaced: bool = False) -> EvidenceHistory:
    """All rounds of one run.

    Args:
        replaced: whether operators put an honest node in the place of a convicted one ``setting.barred_rounds`` later.
    """
    candidates = _Candidates(setting, seed)
    params = EpochParams(
        blocks=1, seats=setting.delegates, min_seats=4, alpha_ppm=round(setting.alpha * 1_000_000)
    )
    first = candidates.chance.sample(candidates.keys, setting.delegates)
    committee = Committee(members=tuple(Member(public_key=key) for key in first))
    convicted: dict[bytes, int] = {}
    shares, stalled, overrun = [], 0, 0
    for number in range(setting.rounds):
        seats = [member.public_key for member in committee.members]
        guilty = [key for key in seats if key in candidates.malicious]
        shares.append(len(guilty) / len(seats))
        overrun += 3 * len(guilty) > 2 * len(seats)
        if 3 * (len(seats) - len(guilty)) > 2 * len(seats):
            convicted.update(dict.fromkeys(guilty, number))
            candidates.deliver(number, params.history)
            eligible = [key for key in candidates.keys if key not in convicted]
            committee = elect(params, _CHAIN, number + 1, eligible, candidates.records, committee).committee
        else:
            stalled += 1
        if replaced:
            for key in [key for key, at in convicted.items() if at + setting.barred_rounds == number]:
                candidates.replace(key)
        candidates.turn()
    return EvidenceHistory(shares=tuple(shares), stalled=stalled, overrun=overrun)
