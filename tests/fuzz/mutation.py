"""A fuzzer that needs nothing installed: mutates a corpus, blind to coverage, repeatable from its seed."""

import random
from collections.abc import Iterator, Sequence
from typing import Final

_MAX_BYTES: Final = 4_096
_TELLING: Final = (
    b"\x00",
    b"\xff",
    b"\x1b" * 4,
    b"\x01" * 4,
    b"/",
    b"!",
    b"\r\n",
    b"(",
    b")",
    b"*",
    b"\x02",
    b"\x03",
    b"\xdb\x08",
)


def inputs(seeds: Sequence[bytes], number: int, *, seed: int) -> Iterator[bytes]:
    """Yield `number` inputs: the seeds themselves, then mutations of them and of one another."""
    chance = random.Random(seed)
    corpus = [*seeds, b""]
    yield from corpus[:number]
    for _ in range(number - len(corpus)):
        data = bytearray(chance.choice(corpus))
        for _ in range(chance.randint(1, 5)):
            _mutate(data, chance, corpus)
        mutated = bytes(data[:_MAX_BYTES])
        if chance.random() < 0.01:
            corpus.append(mutated)
        yield mutated


def _mutate(data: bytearray, chance: random.Random, corpus: Sequence[bytes]) -> None:
    at = chance.randint(0, len(data))
    match chance.randint(0, 6):
        case 0 if data:
            data[at % len(data)] ^= 1 << chance.randint(0, 7)
        case 1 if data:
            data[at % len(data)] = chance.randint(0, 255)
        case 2:
            del data[at : at + chance.randint(1, 16)]
        case 3:
            data[at:at] = data[at : at + chance.randint(1, 32)]
        case 4:
            data[at:at] = chance.choice(_TELLING)
        case 5:
            other = chance.choice(corpus)
            begin = chance.randint(0, len(other))
            data[at:] = other[begin:]
        case _:
            data[at:at] = chance.randbytes(chance.randint(1, 8))
