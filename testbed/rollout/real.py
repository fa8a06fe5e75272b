"""Real meters beside the emulated ones: the device's whole program, `gridlight run`, joined to the fleet as people do.

There is no market around them and no electricity meter: a device without either is as well after a change as it was
before, and that is what the health gate asks.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from firmware_app.management.in_force import memory_of
from light_client.rules.encoding import encode
from light_client.rules.ledger.genesis import Genesis
from light_client.transport.keys import TransportKey
from testbed.rollout.broker import peak_kib, resident_kib
from testbed.scenarios import catalogue
from testbed.scenarios.part import part_of
from testbed.simulation.day import cast_of

FATE: Final = "real"
_ROOT: Final = Path(__file__).resolve().parents[2]
_PROGRAM: Final = (sys.executable, "-m", "firmware_app")
_COMMAND_S: Final = 600.0
_END_S: Final = 60.0


class RealMeterError(Exception):
    """The device's program did not do what it was asked to."""


class RealMeters:
    """Some of them, each in a folder of its own; a context manager that runs them."""

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self._folders = {name: folder / name for name in names}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def requests(self) -> dict[str, bytes]:
        """Make each a device; it draws its key and asks for a certificate. Name -> request.

        Raises:
            RealMeterError: one could not.
        """
        chain = _genesis() if self._folders else None
        found = {}
        for name, folder in self._folders.items():
            if chain is not None:
                _write_device(folder, name, chain)
            self._gridlight("enroll", str(self._file(name)), "--request")
            found[name] = (folder / "data" / "fleet" / "device.csr").read_bytes()
        return found

    def join(self, tickets: Mapping[str, Path]) -> None:
        """Give each the operator's ticket.

        Raises:
            RealMeterError: one could not take it.
        """
        for name in self._folders:
            self._gridlight("enroll", str(self._file(name)), "--ticket", str(tickets[name]))

    def __enter__(self) -> Self:
        for name, folder in self._folders.items():
            with ExitStack() as files:
                log = files.enter_context((folder / "device.log").open("ab"))
                self._running[name] = subprocess.Popen(  # noqa: S603 - ours
                    [*_PROGRAM, "run", str(self._file(name))],
                    stdout=log,
                    stderr=log,
                    env=_environment(folder),
                )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __len__(self) -> int:
        return len(self._folders)

    @property
    def memory_kib(self) -> int:
        """Resident set of all."""
        return sum(resident_kib(process.pid) for process in self._running.values())

    @property
    def peak_kib(self) -> int:
        """The most that any of them ever had resident."""
        return max((peak_kib(process.pid) for process in self._running.values()), default=0)

    def truths(self) -> Iterator[dict[str, Any]]:
        """How every device really stands: what is on its disk."""
        for name, process in self._running.items():
            memory = memory_of(self._file(name))
            if memory is None:
                raise RealMeterError(f"{name} never joined the fleet")
            yield {
                "name": name,
                "fate": FATE,
                "phase": memory.phase.value,
                "version": memory.current.order[1],
                "hash": memory.current.hash.hex(),
                "failed": memory.failure.hash.hex() if memory.failure else "",
                "starts": 1 if process.poll() is None else 0,
                "mixtures": 0,
            }

    def _file(self, name: str) -> Path:
        return self._folders[name] / "device.toml"

    def _gridlight(self, *words: str) -> None:
        done = subprocess.run(  # noqa: S603 - ours
            [*_PROGRAM, *words],
            capture_output=True,
            check=False,
            timeout=_COMMAND_S,
            env=_environment(Path(words[1]).parent),
        )
        if done.returncode:
            said = (done.stdout + done.stderr).decode(errors="replace")[-800:]
            raise RealMeterError(f"gridlight {words[0]} ended with {done.returncode}: {said}")


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_ROOT), "GRIDLIGHT_SOCKET": str(folder / "control.sock")}


def _genesis() -> Genesis:
    """Of a small chain that nobody runs."""
    file = catalogue.find("village")
    return cast_of(file, part_of(catalogue.build(file), skip=48, intervals=2), 5).genesis


def _write_device(folder: Path, name: str, chain: Genesis) -> None:
    folder.mkdir(parents=True)
    (folder / "genesis.cbor").write_bytes(encode(chain.to_wire()))
    key = TransportKey.generate().public
    lines = [
        f'[device]\nname = "{name}"\ndata_folder = "data"',
        f"[status]\nsocket = '{folder / 'control.sock'}'\nport = 0",
        f"[fleet]\nstick_folder = '{folder / 'stick'}'",
        '[[meter]]\nname = "house"\nrole = "grid"\nprofile = "eastron-sdm630"\nport = "/dev/ttyUSB99"',
        f'[market]\ngenesis = "genesis.cbor"\nfingerprint = "{chain.chain_id().hex()}"',
        f"feeder = {min(chain.grid.ext_j)}",
        f'[market.dso]\nname = "dso"\nendpoint = "tcp://127.0.0.1:7000"\nkey = \'{key}\'',
        *(
            f'[[market.server]]\nname = "miner-{number}"\nendpoint = "tcp://127.0.0.1:{7001 + number}"\nkey = \'{key}\''
            for number in range(2)
        ),
    ]
    (folder / "device.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
