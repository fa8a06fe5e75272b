"""The time server's answers, taken apart by the standard's own layout, and over a real socket."""

import socket
import struct

from hypothesis import given
from hypothesis import strategies as st

from testbed.qemu.time_server import TimeServer, answer, stamp

_PACKET = struct.Struct("!BBbb3I4Q")


def _request(mode: int = 3, version: int = 4, transmit: int = 0x1234_5678_9ABC_DEF0) -> bytes:
    return _PACKET.pack(version << 3 | mode, 0, 0, 0, 0, 0, 0, 0, 0, 0, transmit)


def test_a_stamp_counts_from_1900() -> None:
    assert stamp(0) >> 32 == 2_208_988_800
    assert stamp(1_500_000_000) == (2_208_988_801 << 32) + (1 << 31)


@given(st.integers(0, 4_000_000_000_000_000_000), st.integers(0, 10**9), st.integers(0, (1 << 64) - 1))
def test_a_client_gets_its_own_stamp_back_between_ours(received_ns: int, later_ns: int, asked: int) -> None:
    said = answer(_request(transmit=asked), received_ns, received_ns + later_ns)
    assert said is not None
    first, stratum, *_, origin, received, sent = _PACKET.unpack(said)
    assert (first & 7, first >> 3 & 7, first >> 6, stratum) == (4, 4, 0, 1)
    assert origin == asked
    assert (received, sent) == (stamp(received_ns), stamp(received_ns + later_ns))


@given(st.binary(max_size=64))
def test_nothing_but_a_request_is_answered(raw: bytes) -> None:
    said = answer(raw, 1, 1)
    assert (said is not None) == (len(raw) >= 48 and raw[0] & 7 == 3)


def test_it_answers_on_the_loopback_interface() -> None:
    with (
        TimeServer(lambda: 1_795_000_000_000_000_000) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.settimeout(10)
        client.sendto(b"noise", ("127.0.0.1", server.port))
        client.sendto(_request(), ("127.0.0.1", server.port))
        said, _ = client.recvfrom(512)
    assert _PACKET.unpack(said)[-1] == stamp(1_795_000_000_000_000_000)
