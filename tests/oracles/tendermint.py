"""The published single-step cases of a Tendermint light client, put to our rules.

Tendermint's own encodings are made here (protobuf headers, validator sets and votes, Ed25519 signatures), so that a
case stands or falls with the bytes that were published. What remains is a header of ours, a certificate of ours over
the seats that signed, and committees of ours with the validators' powers; our predicates decide.

Two things differ. A Tendermint client may skip to any header of which more than a third of the *trusted* next
validators signed, where ours knows the committee of an epoch; so the overlap is counted here, by the same strict
comparison that our consensus uses (``Committee.exceeds_faults``). And instants are nanoseconds, not milliseconds.

Format of a case: ``initial`` (signed_header, next_validator_set, trusting_period in ns) and ``input``, a list of steps
(block, now, verdict), where the verdict is SUCCESS, NOT_ENOUGH_TRUST or INVALID.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from light_client.rules import light, merkle
from light_client.rules.errors import RuleViolation
from light_client.rules.ledger.block import NO_CLEARING, Header
from light_client.rules.ledger.committee import Committee, Member, QuorumCertificate
from light_client.rules.light import LightParams, TrustedState, Update

NS = 1_000_000_000
DRIFT_NS = NS - 1
"""The published runs allow for a second, and exclude its end; ours includes it."""
WRONG = bytes(32)
_COMMITTED = 2
"""The flag of a signature for the block."""


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value) if value else b""


def _fixed(field: int, value: int) -> bytes:
    return _varint(field << 3 | 1) + value.to_bytes(8, "little") if value else b""


def _bytes(field: int, value: bytes) -> bytes:
    return _message(field, value) if value else b""


def _message(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def nanoseconds(text: str) -> int:
    """Read an RFC 3339 instant as nanoseconds since 1970."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return seconds * NS + int((fraction or "0").ljust(9, "0"))


def _timestamp(text: str) -> bytes:
    instant = nanoseconds(text)
    return _number(1, instant // NS) + _number(2, instant % NS)


def _block_id(wire: Any, part_set_field: int = 2) -> bytes:
    if wire is None:
        return _message(part_set_field, b"")
    parts = wire["part_set_header"]
    part_set = _number(1, parts["total"]) + _bytes(2, bytes.fromhex(parts["hash"]))
    return _bytes(1, bytes.fromhex(wire["hash"])) + _message(part_set_field, part_set)


def header_hash(header: Any) -> bytes:
    """Hash a header: the RFC 6962 root over its encoded fields."""
    version = header["version"]
    leaves = [
        _number(1, int(version["block"])) + _number(2, int(version["app"])),
        _bytes(1, header["chain_id"].encode()),
        _number(1, int(header["height"])),
        _timestamp(header["time"]),
        _block_id(header["last_block_id"]),
        *(
            _bytes(1, bytes.fromhex(header[name] or ""))
            for name in (
                "last_commit_hash",
                "data_hash",
                "validators_hash",
                "next_validators_hash",
                "consensus_hash",
                "app_hash",
                "last_results_hash",
                "evidence_hash",
                "proposer_address",
            )
        ),
    ]
    return merkle.root(leaves)


def _key(validator: Any) -> bytes:
    return base64.b64decode(validator["pub_key"]["value"])


def validators_hash(validators: Any) -> bytes:
    """Hash a set of validators: the root over their keys and powers, by descending power, then by address."""
    ordered = sorted(validators, key=lambda row: (-int(row["voting_power"]), row["address"].upper()))
    return merkle.root(
        _message(1, _bytes(1, _key(validator))) + _number(2, int(validator["voting_power"]))
        for validator in ordered
    )


def _vote(commit: Any, signature: Any, chain_id: str) -> bytes:
    """The bytes that a validator signed."""
    canonical = (
        _number(1, _COMMITTED)
        + _fixed(2, int(commit["height"]))
        + _fixed(3, int(commit["round"]))
        + _message(4, _block_id(commit["block_id"]))
        + _message(5, _timestamp(signature["timestamp"]))
        + _message(6, chain_id.encode())
    )
    return _varint(len(canonical)) + canonical


def _committee(validators: Any) -> Committee | None:
    """Our committee of a set: Ed25519 keys are padded to the length of ours. Nobody is no committee (CNS-01)."""
    if not validators:
        return None
    return Committee(
        members=tuple(
            Member(public_key=b"\x02" + _key(validator), weight=int(validator["voting_power"]))
            for validator in validators
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """A published block in our terms."""

    update: Update
    committee: Committee | None
    """Who signed it."""
    votes: dict[tuple[bytes, bytes], bytes]
    """(key, signature) -> the bytes that Tendermint signs."""

    def verify(self, public_key: bytes, signature: bytes, _message: bytes) -> bool:
        """Check a published signature over the published vote."""
        try:
            Ed25519PublicKey.from_public_bytes(public_key[1:]).verify(
                signature, self.votes[public_key, signature]
            )
        except InvalidSignature:
            return False
        return True


def translate(block: Any) -> Translated:
    """Put a published block into our terms; whatever does not match its hash in it does not match in ours either."""
    signed, commit = block["signed_header"], block["signed_header"]["commit"]
    header = signed["header"]
    validators, following = block["validator_set"]["validators"], block["next_validator_set"]["validators"]
    committee, next_committee = _committee(validators), _committee(following)
    fits = validators_hash(validators).hex() == header["validators_hash"].lower()
    next_fits = validators_hash(following).hex() == header["next_validators_hash"].lower()
    digest = header_hash(header)
    ours = Header(
        chain_id=sha256(header["chain_id"].encode()).digest(),
        height=int(header["height"]),
        round_=0,
        time_ms=nanoseconds(header["time"]),
        previous_hash=WRONG,
        history_root=WRONG,
        tx_root=WRONG,
        state_root=digest,
        solution_root=WRONG,
        committee_hash=committee.hash() if fits and committee else WRONG,
        next_committee_hash=next_committee.hash() if next_fits and next_committee else WRONG,
        clearing=NO_CLEARING,
    )
    addresses = {sha256(_key(validator)).digest()[:20].hex(): n for n, validator in enumerate(validators)}
    seats: dict[int, bytes] = {}
    votes: dict[tuple[bytes, bytes], bytes] = {}
    for row in commit["signatures"] or ():
        if row["block_id_flag"] != _COMMITTED:
            continue
        seat = addresses.get(row["validator_address"].lower(), len(validators))
        signature = base64.b64decode(row["signature"])
        seats[seat] = signature
        if committee is not None and seat < len(validators):
            votes[committee.members[seat].public_key, signature] = _vote(commit, row, header["chain_id"])
    named = bytes.fromhex(commit["block_id"]["hash"]) == digest
    certificate = QuorumCertificate(
        height=int(commit["height"]),
        round_=int(commit["round"]),
        header_hash=ours.hash() if named else WRONG,
        bitmap=sum(1 << seat for seat in seats),
        signatures=tuple(seats[seat] for seat in sorted(seats)),
    )
    update = Update(header=ours, certificate=certificate, next_committee=next_committee)
    return Translated(update=update, committee=committee, votes=votes)


def _trusted(initial: Any) -> TrustedState:
    """Trust the first header, as the cases say."""
    block = {**initial, "validator_set": initial["next_validator_set"]}
    made = translate(block)
    return _after(made)


def _after(made: Translated) -> TrustedState:
    header, following = made.update.header, made.update.next_committee
    assert following is not None
    assert made.committee is not None
    return TrustedState(
        chain_id=header.chain_id,
        height=header.height,
        header_hash=header.hash(),
        time_ms=header.time_ms,
        signers=made.committee,
        committee=following,
        header=header,
        certificate=made.update.certificate,
    )


def judge(trusted: TrustedState, made: Translated, params: LightParams, now_ns: int) -> str:
    """Judge one step by our predicates, looked up when they are called, so that mutants can be put in their place."""
    update, in_force = made.update, vars(light)
    if made.committee is None:
        return "INVALID"
    try:
        light.trusted_header_is_fresh(trusted, now_ns, params)
        light.header_is_of_this_chain(trusted, update)
        light.header_is_newer(trusted, update)
        in_force["time_is_not_ahead"](update.header, now_ns, DRIFT_NS)
        light.certificate_is_for_the_header(update)
        light.next_committee_is_the_announced_one(update)
        light.committee_is_the_known_one(replace(trusted, committee=made.committee), update)
        if update.header.height == trusted.height + 1:
            light.committee_is_the_known_one(trusted, update)
        elif not trusted.committee.exceeds_faults(_overlap(trusted.committee, made)):
            return "NOT_ENOUGH_TRUST"
        in_force["check_quorum"](made.committee, trusted.chain_id, update.certificate, made.verify)
    except RuleViolation:
        return "INVALID"
    return "SUCCESS"


def _overlap(known: Committee, made: Translated) -> int:
    """The weight of the known committee among the signers."""
    signed = {public_key for public_key, _ in made.votes}
    return sum(member.weight for member in known.members if member.public_key in signed)


def steps(case: Any) -> Iterator[tuple[str, str]]:
    """Yield (published verdict, our verdict) of each step; a header that is accepted is trusted from then on."""
    trusted = _trusted(case["initial"])
    params = LightParams(trusting_period_ms=int(case["initial"]["trusting_period"]))
    for step in case["input"]:
        made = translate(step["block"])
        ours = judge(trusted, made, params, nanoseconds(step["now"]))
        yield step["verdict"], ours
        if ours == "SUCCESS":
            trusted = _after(made)
