"""The two planes side by side: does what devices say to their operator tell whose address is whose on the ledger?

Somebody reads everything that goes over the broker, with its times, and the whole ledger. Two attacks:

- *by words*: is anything of the ledger in a topic or a payload, in any spelling?
- *by habits*: numbers, sizes and times on the management plane against times and amounts on the ledger. The attacker is
  told the owners of half of the addresses, learns from them which habit gives a device away, and names the device of
  each address of the other half.

*Advantage* is the share it names rightly less what guessing would. Whether that could be chance is asked of the same
attack with the devices exchanged among the homes: a share as high as the true one must then be no rarity.
"""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, permutations
from random import Random
from typing import Any, Final

import numpy as np
import numpy.typing as npt

WINDOW_MS: Final = 600_000
"""After something happened on the ledger a device is watched for so long."""
MOST_EXCHANGES: Final = 2_000
_LEAST_BYTES: Final = 6
"""Shorter secrets are found by chance in any text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One message on the management plane."""

    at_ms: int
    device: int
    """Number of the home."""
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One address on the ledger, with the home that only the DSO knows."""

    home: int
    at_ms: tuple[int, ...]
    """When the ledger showed something of it, UTC ms."""
    amounts: frozenset[int]
    """Its energies, prices and sums of money, in every unit in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """What the attack by habits comes to."""

    addresses: int
    """Of the half that it had to name."""
    devices: int
    named: float
    """Share that it named rightly."""
    chance: float
    """How often the attack does as well with the devices exchanged: small means that it found something."""
    habits: tuple[tuple[str, float], ...]
    """What gave devices away most: name, and how far owners stand out (standard deviations)."""

    @property
    def advantage(self) -> float:
        """Over guessing."""
        return self.named - 1 / self.devices


# -- by words ----------------------------------------------------------------------------------------------------------


def spellings(secret: bytes) -> frozenset[bytes]:
    """How bytes may be written."""
    return frozenset(
        {
            secret,
            secret.hex().encode(),
            secret.hex().upper().encode(),
            b64encode(secret).rstrip(b"="),
            urlsafe_b64encode(secret).rstrip(b"="),
            secret[::-1],
        }
    )


def spoken(words: Iterable[Word], secrets: Iterable[bytes]) -> list[tuple[Word, bytes]]:
    """Messages that hold a secret, or its first bytes, in any spelling."""
    sought: dict[bytes, bytes] = {}
    for secret in secrets:
        if len(secret) >= _LEAST_BYTES:
            for part in {secret, secret[:_LEAST_BYTES]}:
                sought |= dict.fromkeys(spellings(part), secret)
    by_length: dict[int, set[bytes]] = defaultdict(set)
    for spelling in sought:
        by_length[len(spelling)].add(spelling)
    found = []
    for word in words:
        whole = word.topic.encode() + b"\n" + word.payload
        for length, known in by_length.items():
            pieces = {whole[place : place + length] for place in range(len(whole) - length + 1)}
            found += [(word, sought[hit]) for hit in sorted(pieces & known)]
    return found


# -- by habits ---------------------------------------------------------------------------------------------------------


def numbers_of(payload: bytes) -> dict[str, int]:
    """Whole numbers of a JSON document by their place; none of anything else."""
    try:
        document = json.loads(payload)
    except ValueError:
        return {}
    return dict(_numbers("", document))


def _numbers(place: str, value: Any) -> Iterable[tuple[str, int]]:
    if type(value) is int:
        yield place, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _numbers(f"{place}.{key}", part)
    elif isinstance(value, list):
        for part in value:
            yield from _numbers(f"{place}[]", part)


@dataclass(slots=True)
class _Series:
    """One habit of one device: what happened when."""

    at_ms: list[int]
    values: list[float]


def _habits(words: Sequence[Word]) -> dict[tuple[int, str], _Series]:
    """(device, habit) -> its series: that something was said, how long it was, how its numbers changed."""
    found: dict[tuple[int, str], _Series] = defaultdict(lambda: _Series([], []))
    last: dict[tuple[int, str], int] = {}

    def add(word: Word, habit: str, value: float) -> None:
        series = found[word.device, habit]
        series.at_ms.append(word.at_ms)
        series.values.append(value)

    for word in sorted(words, key=lambda one: one.at_ms):
        kind = "/".join(word.topic.split("/")[5:])
        add(word, f"{kind} said", 1.0)
        add(word, f"{kind} length", float(len(word.payload)))
        for place, number in numbers_of(word.payload).items():
            before = last.get((word.device, kind + place))
            last[word.device, kind + place] = number
            if before is not None:
                add(word, f"{kind}{place} change", float(number - before))
    return found


def _evidence(
    words: Sequence[Word], traces: Sequence[Trace], devices: int
) -> tuple[npt.NDArray[np.float64], list[str]]:
    """How much each device stands out from the others after each address showed something, habit by habit."""
    series = _habits(words)
    names = sorted({name for _, name in series})
    raw = np.zeros((len(traces), devices, len(names) + 1))
    for column, name in enumerate(names):
        for device in range(devices):
            if (device, name) in series:
                raw[:, device, column] = _after(series[device, name], traces)
    raw[:, :, -1] = _same_numbers(words, traces, devices)
    spread = raw.std(axis=1, keepdims=True)
    level = raw.mean(axis=1, keepdims=True)
    standing = np.divide(raw - level, spread, out=np.zeros_like(raw), where=spread > 0)
    return standing, [*names, "an amount of the ledger"]


def _after(series: _Series, traces: Sequence[Trace]) -> npt.NDArray[np.float64]:
    """Sum of a series in the windows after each address's events."""
    times = np.asarray(series.at_ms)
    sums = np.concatenate(([0.0], np.cumsum(series.values)))
    return np.asarray(
        [
            sum(
                sums[np.searchsorted(times, at_ms + WINDOW_MS, side="right")]
                - sums[np.searchsorted(times, at_ms, side="left")]
                for at_ms in trace.at_ms
            )
            for trace in traces
        ]
    )


def _same_numbers(words: Sequence[Word], traces: Sequence[Trace], devices: int) -> npt.NDArray[np.float64]:
    """How often a device says one of an address's very amounts."""
    said: list[set[int]] = [set() for _ in range(devices)]
    for word in words:
        said[word.device] |= set(numbers_of(word.payload).values())
    return np.asarray([[float(len(trace.amounts & mine)) for mine in said] for trace in traces])


def link(words: Sequence[Word], traces: Sequence[Trace], devices: int, *, seed: int = 1) -> Linked:
    """Attack by habits.

    Args:
        devices: homes are numbered from 0.
    """
    standing, names = _evidence(words, traces, devices)
    owners = np.asarray([trace.home for trace in traces])
    order = list(range(len(traces)))
    Random(seed).shuffle(order)  # noqa: S311 - a replayable experiment
    half = len(order) // 2
    known, judged = np.asarray(order[:half]), np.asarray(order[half:])

    def named(exchanged: npt.NDArray[np.int64]) -> tuple[float, npt.NDArray[np.float64]]:
        owner = exchanged[owners]
        weights = standing[known, owner[known]].mean(axis=0)
        scores = standing[judged] @ weights
        best = scores == scores.max(axis=1, keepdims=True)
        right = best[np.arange(len(judged)), owner[judged]] / best.sum(axis=1)
        return float(right.mean()), weights

    share, weights = named(np.arange(devices))
    others = [named(np.asarray(way))[0] for way in _exchanges(devices, seed)]
    chance = (1 + sum(other >= share for other in others)) / (1 + len(others))
    strongest = sorted(zip(names, weights.tolist(), strict=True), key=lambda pair: -abs(pair[1]))[:5]
    return Linked(addresses=len(judged), devices=devices, named=share, chance=chance, habits=tuple(strongest))


def _exchanges(devices: int, seed: int) -> list[tuple[int, ...]]:
    """Ways to exchange devices: all but the true one where they are few, else some by chance."""
    if devices <= 6:
        return list(islice(permutations(range(devices)), 1, None))
    chance, found = Random(seed), []  # noqa: S311 - the same
    for _ in range(MOST_EXCHANGES):
        way = list(range(devices))
        chance.shuffle(way)
        found.append(tuple(way))
    return found


def amounts_of(values: Mapping[str, int]) -> frozenset[int]:
    """Energies (names in ``_j``) in joules and watt-hours, prices and money as they are."""
    found = set(values.values())
    found |= {value // 3_600 for name, value in values.items() if name.endswith("_j") and value % 3_600 == 0}
    return frozenset(value for value in found if value)
