"""What a run whose processes were killed has left on the disks, held to what it must never lose."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from light_client.messages.chain import CertifiedBlock
from light_client.rules.crypto import verify
from light_client.rules.errors import LightClientError
from light_client.rules.ledger.block import body_from_bytes
from light_client.rules.ledger.genesis import Genesis
from light_client.store.batch import Compartment
from light_client.store.sqlite import SqliteStorage
from testbed.follower import LedgerFollower
from testbed.live.deployment import Deployment
from testbed.miner.ledger import Ledger
from testbed.miner.mempool import tx_id_of
from testbed.miner.receipts import Receipts
from testbed.miner.store import BlockStore

TOO_LATE: Final = "MKT-07"
PENDING: Final = "pending"
LOST: Final = "lost"
_SELF_CONTRADICTIONS = ("equivocation", "two-proposals", "evidence", "fork")
"""Reports of whoever sees two signatures that one honest miner must never give: there are none but honest ones here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What was found."""

    height: int
    acknowledged: int
    """Transactions of which a miner had told a submitter that it took them."""
    expired: int
    """Those of them that a miner held until their gate passed (MKT-07): the chain stood still."""
    refused: Mapping[str, int]
    """Rule -> those of them that it refused later, as the miner that gave them up reported."""
    pending: int
    """Those of them that a miner still had on its disk at the end."""
    lost: tuple[str, ...]
    """Those of them that are in no block, and of which nobody can say why."""
    contradictions: tuple[str, ...]
    """Double votes and double proposals, as the others saw them."""
    forgotten: tuple[str, ...]
    """Blocks that somebody had reported as decided, and that are not in the chain; chains that differ."""
    state_root: str
    """After the last block, by a clean replay."""
    wrong_roots: tuple[str, ...]
    """Miners whose disk leads to another state than the clean replay."""

    def failures(self) -> tuple[str, ...]:
        """Everything that must not be; empty if nothing was lost, contradicted or forgotten."""
        lost = tuple(f"transaction {tx_id[:16]} was acknowledged and is in no block" for tx_id in self.lost)
        return (*lost, *self.contradictions, *self.forgotten, *self.wrong_roots)


def aftermath(deployment: Deployment) -> Aftermath:
    """Look at the disks and reports of a run that has ended."""
    chains = {name: chain_on_disk(deployment, name) for name in deployment.cast.miner_names}
    longest = max(chains.values(), key=len)
    hashes = [block.header.hash().hex() for block in longest]
    genesis = deployment.cast.genesis
    taken = set(acknowledged(deployment))
    fates = fates_of(taken - executed_in(longest, genesis), deployment)
    roots = clean_roots(longest, genesis)
    return Aftermath(
        height=len(longest),
        acknowledged=len(taken),
        expired=sum(fate == TOO_LATE for fate in fates.values()),
        refused=Counter(sorted(fate for fate in fates.values() if fate not in (TOO_LATE, PENDING, LOST))),
        pending=sum(fate == PENDING for fate in fates.values()),
        lost=tuple(sorted(tx_id for tx_id, fate in fates.items() if fate == LOST)),
        contradictions=tuple(_contradictions(deployment)),
        forgotten=(*_differing(chains, hashes), *_forgotten(deployment, hashes)),
        state_root=roots[-1].hex() if roots else "",
        wrong_roots=tuple(_wrong_roots(deployment, chains, roots)),
    )


def aftermath_lines(found: Aftermath, kills: int) -> list[str]:
    """The same for people."""
    refused = ", ".join(f"{count} by {rule}" for rule, count in found.refused.items()) or "none"
    fates = f"{found.expired} missed their gate, {found.pending} pending, refused later: {refused}"
    return [
        f"Killed      {kills} processes; {found.height} blocks",
        f"Offers      {found.acknowledged} acknowledged, {len(found.lost)} lost; {fates}",
        f"Votes       {len(found.contradictions)} contradictions, {len(found.forgotten)} forgotten decisions",
        f"State       {found.state_root[:16]}… by a clean replay; {len(found.wrong_roots)} disks lead elsewhere",
    ]


def chain_on_disk(deployment: Deployment, miner: str) -> list[CertifiedBlock]:
    """The blocks that a miner has stored."""
    with SqliteStorage(deployment.folder / "nodes" / f"{miner}.sqlite") as store:
        return list(BlockStore(Compartment(store, miner)).stored())


def reports_of(deployment: Deployment, process: str) -> Iterator[Mapping[str, Any]]:
    """What the actors of a process reported, over all its lives; a line that a kill cut off is left out."""
    path = deployment.folder / "nodes" / f"{process}.jsonl"
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if "name" in row:
            yield row


def acknowledged(deployment: Deployment) -> Iterator[str]:
    """Identities of the transactions that meters were told are taken."""
    for node in deployment.nodes:
        for row in reports_of(deployment, node.name):
            if row["name"] == "tx-taken":
                yield row["value"]


def fates_of(missing: Collection[str], deployment: Deployment) -> dict[str, str]:
    """What became of acknowledged transactions that are in no block: the rule that refused each, pending, or lost."""
    refused = dict(_refused_in(deployment))
    owed = set(_owed_in(deployment))
    return {tx_id: PENDING if tx_id in owed else refused.get(tx_id, LOST) for tx_id in missing}


def _refused_in(deployment: Deployment) -> Iterator[tuple[str, str]]:
    """Transactions that a miner gave up, each with the rule; a gate that passed comes last, and so counts."""
    rows = [
        row["value"]
        for name in deployment.cast.miner_names
        for row in reports_of(deployment, name)
        if row["name"] == "dropped"
    ]
    yield from sorted(((tx_id, rule) for tx_id, rule in rows), key=lambda row: row[1] == TOO_LATE)


def _owed_in(deployment: Deployment) -> Iterator[str]:
    """Transactions that a miner would hand in again if it were started once more."""
    for name in deployment.cast.miner_names:
        with SqliteStorage(deployment.folder / "nodes" / f"{name}.sqlite") as store:
            yield from (tx_id.hex() for tx_id, _ in Receipts(Compartment(store, name)).owed())


def executed_in(chain: list[CertifiedBlock], genesis: Genesis) -> set[str]:
    """Identities of all transactions in a chain."""
    return {
        tx_id_of(raw).hex()
        for block in chain
        for raw in body_from_bytes(block.body, genesis.chain).transactions
    }


def clean_roots(chain: list[CertifiedBlock], genesis: Genesis) -> list[bytes]:
    """State roots after each block, by a copy of the ledger that took no part and judges everything anew."""
    follower = LedgerFollower(genesis, verify)
    roots = []
    for block in chain:
        follower.take(block.header, block.certificate, block.body)
        roots.append(follower.state.root())
    return roots


def _wrong_roots(
    deployment: Deployment, chains: Mapping[str, list[CertifiedBlock]], roots: list[bytes]
) -> Iterator[str]:
    """Start each miner's ledger from its disk, as after one more power cut."""
    for name, chain in chains.items():
        with SqliteStorage(deployment.folder / "nodes" / f"{name}.sqlite") as store:
            try:
                ledger = Ledger(deployment.cast.genesis, Compartment(store, name), verify)
            except LightClientError as error:
                yield f"{name} does not start from its disk: {error}"
                continue
        if chain and ledger.state.root() != roots[len(chain) - 1]:
            yield f"{name} has another state than the clean replay at height {len(chain)}"


def _contradictions(deployment: Deployment) -> Iterator[str]:
    for node in deployment.nodes:
        for row in reports_of(deployment, node.name):
            if row["name"] in _SELF_CONTRADICTIONS:
                yield f"{row['actor']} saw {row['name']}"


def _differing(chains: Mapping[str, list[CertifiedBlock]], hashes: list[str]) -> Iterator[str]:
    for name, chain in chains.items():
        if [block.header.hash().hex() for block in chain] != hashes[: len(chain)]:
            yield f"{name} holds another chain"


def _forgotten(deployment: Deployment, hashes: list[str]) -> Iterator[str]:
    """Whatever a node held for decided before it was killed must be in the chain."""
    known = set(hashes)
    for node in deployment.nodes:
        for row in reports_of(deployment, node.name):
            value = row["value"]
            if row["name"] == "live.status" and value and value["tip"] and value["height"]:
                if hashes[value["height"] - 1 : value["height"]] != [value["tip"]]:
                    yield f"{row['actor']} had another block at height {value['height']}"
            elif row["name"] == "block" and value["hash"] not in known:
                yield f"{row['actor']} had taken a block for decided that is not in the chain"
