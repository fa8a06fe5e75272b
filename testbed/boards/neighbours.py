"""One emulated board among neighbours that are processes: it trades a part of a day with the keys that it made itself.

On its card the trial (`testbed/qemu/trial.py`) has left what a board makes at its first start. Its enrolment request is
registered with the operator of a new tier, its stores are replaced by those of a device that knows its home, and the
part of the day begins: with a reset, and a power cut in the middle of writing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.image import layout
from firmware_app.config import keys
from firmware_app.config.enrolment import Enrolment
from light_client.rules.crypto import public_key_of, verify
from testbed.boards.faults import BoardFault, FleetScript, Kind
from testbed.boards.grid import scenario_text
from testbed.boards.housing import Mode
from testbed.boards.running import Ended, Wanted, run_live_fleet
from testbed.boards.sites import OwnKeys
from testbed.cast import meter_name
from testbed.live.staging import Staging
from testbed.live.up import Show
from testbed.qemu import cards
from testbed.qemu.errors import BoardError
from testbed.qemu.partitions import taken
from testbed.scenarios import catalogue
from testbed.scenarios.synthetic import INTERVAL_S

HOME: Final = 101
"""Of the emulated board; it has modules, and a battery."""
NAME: Final = meter_name(HOME)
_HOMES: Final = 3
_RESET_PERMILLE: Final = 300
_CUT_PERMILLE: Final = 550
_OFF_S: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What is traded.

    Attributes:
        skip: intervals since midnight before the first one.
        intervals: how many.
        speed: of the run's clock.
        seed: of grid and keys.
    """

    skip: int
    intervals: int
    speed: int
    seed: int = 1

    def script(self, interval_s: int) -> FleetScript:
        """A reset, and later a power cut."""
        length_s = self.intervals * interval_s

        def fault(kind: Kind, permille: int) -> BoardFault:
            start_ms = self.skip * interval_s * 1_000 + length_s * permille
            return BoardFault(home_id=HOME, kind=kind, start_ms=start_ms, end_ms=start_ms + _OFF_S * 1_000)

        return FleetScript(boards=(fault(Kind.RESET, _RESET_PERMILLE), fault(Kind.DOWN, _CUT_PERMILLE)))


def enrolled_keys(card: Path) -> OwnKeys:
    """The keys of a card, whose enrolment request is as it must be.

    Raises:
        BoardError: it has made none, or its request is another's.
    """
    identity, seed = (_secret(card, name) for name in (keys.IDENTITY, keys.SEED))
    raw = cards.taken_from(card, "enrolment.json")
    if raw is None:
        raise BoardError("the board has laid no enrolment request onto its boot partition")
    document = json.loads(raw)
    request = Enrolment(
        name=str(document["name"]),
        identity_key=bytes.fromhex(document["identity_key"]),
        signature=bytes.fromhex(document["signature"]),
    )
    if not request.is_signed(verify) or request.identity_key != public_key_of(identity):
        raise BoardError("the board's enrolment request is not signed by its identity")
    return OwnKeys(identity=identity, seed=seed)


def _secret(card: Path, name: str) -> bytes:
    raw = taken(card, layout.DATA, f"/state/{name}")
    if raw is None:
        raise BoardError(f"the board has made no {name}")
    return bytes.fromhex(raw.decode("ascii").splitlines()[-1])


def trade_among_neighbours(machine: str, card: Path, folder: Path, stretch: Stretch, show: Show) -> Ended:
    """Run the part of the day.

    Args:
        machine: of QEMU.
        card: of a board that is off, and has made its keys.
        folder: existing and empty; keeps everything.
        show: where progress is shown.

    Raises:
        BoardError: the card has no keys, or no good request.
        HousingError, SupervisorError, StagingError, InterruptedRunError: as of any live fleet.
    """
    path = folder / f"fleet-{_HOMES}.toml"
    path.write_text(scenario_text(_HOMES, seed=stretch.seed), encoding="utf-8")
    file = catalogue.find(str(path))
    staging = Staging(
        scenario=path.name,
        data=None,
        seed=stretch.seed,
        skip=stretch.skip,
        intervals=stretch.intervals,
        miners=4,
        solvers=1,
        speed=stretch.speed,
    )
    wanted = Wanted(
        mode=Mode.PROCESS,
        emulated=1,
        machine=machine,
        card=lambda: card,
        own_keys={HOME: enrolled_keys(card)},
    )
    return run_live_fleet(folder, file, staging, wanted, lambda _: stretch.script(INTERVAL_S), show)
