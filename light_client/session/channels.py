"""Channels: connections to one peer that he cannot tell to be of one actor, one for each address of a home.

A channel is named like the peer with a slash and a label, `miner-2/3f9a`. The label never leaves the machine: the
transport gives each channel a key that nobody has seen before, and the peer knows it by that key. What comes back over
a channel carries the channel's name.
"""

from __future__ import annotations

from light_client.rules.units import Address
from light_client.session.actor import PeerName


def channel_of(peer: PeerName, address: Address) -> PeerName:
    """The channel to a peer for everything that belongs to one address, and for nothing else."""
    return f"{peer}/{address.hex()}"


def base_of(peer: PeerName) -> PeerName:
    """The peer at the other end of a channel; any other peer is itself."""
    return peer.partition("/")[0]


def is_channel(peer: PeerName) -> bool:
    """Whether a name is that of a channel."""
    return "/" in peer
