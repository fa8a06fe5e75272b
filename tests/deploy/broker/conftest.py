"""One real mosquitto for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.broker.authority import Credential, Role
from testbed.rollout.broker import Broker, NoBrokerError, program
from tests.deploy.broker.talker import Talker

FLEET = bytes(range(32))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker with its authority, or a visible reason why not."""
    try:
        program()
    except NoBrokerError as error:
        pytest.skip(str(error))
    with Broker(tmp_path_factory.mktemp("broker"), FLEET) as running:
        yield running


Connect = Callable[..., Talker]


@pytest.fixture
def connect(broker: Broker, tmp_path: Path) -> Iterator[Connect]:
    """Connects somebody with a certificate of the fleet; all are let go at the end."""
    opened: list[Talker] = []

    def connect_as(
        name: str,
        role: Role = Role.DEVICE,
        *,
        credential: Credential | None = None,
        token: str = "",
        will: tuple[str, bytes] | None = None,
    ) -> Talker:
        shown = None if token else credential or broker.credential(name, role)
        talker = Talker(role + name, broker.folder / "authority.crt", tmp_path, shown, token=token)
        if will is not None:
            talker.will(*will)
        opened.append(talker)
        return talker.connect(broker.enrol_port if token else broker.port)

    yield connect_as
    for talker in opened:
        talker.__exit__(None, None, None)
