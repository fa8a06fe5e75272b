"""The operator of a rollout: the real command `gridlight-fleet`, typed by a program."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from firmware_app.fleet.selector import DeviceFacts
from firmware_app.management.certificate import ensure_key, ensure_request
from firmware_app.store.files import Files
from testbed.live.deployment import HOST
from testbed.rollout.board import FIRMWARE
from testbed.rollout.cast import EXAMPLE

ROOT: Final = Path(__file__).resolve().parents[2]
PROGRAM: Final = ROOT / "deploy" / "operator" / "bin" / "gridlight-fleet"
_PATIENCE_S: Final = 1_800.0
_END_S: Final = 60.0


class DeskError(Exception):
    """The command did not do what it was asked to."""


class OperatorDesk:
    """A desk in a folder, with its service while the context lasts."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder / "desk"
        self._outside = folder
        self._service: subprocess.Popen[bytes] | None = None

    # -- commands ------------------------------------------------------------------------------------------------------

    def run(self, *words: str, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
        """Type a command with --json; returns its document.

        Raises:
            DeskError: it ended with another code.
        """
        command = [sys.executable, str(PROGRAM), *words, "--desk", str(self.folder), "--json", "--quiet"]
        done = subprocess.run(  # noqa: S603 - ours
            command, capture_output=True, check=False, timeout=_PATIENCE_S, env={"PYTHONPATH": str(ROOT)}
        )
        if done.returncode not in codes:
            said = (done.stdout + done.stderr).decode(errors="replace")[-800:]
            raise DeskError(f"gridlight-fleet {words[0]} ended with {done.returncode}: {said}")
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def init(self, port: int, enrol_port: int, devices: int) -> None:
        """Make the desk and its broker's folder."""
        ports = ("--port", str(port), "--enrol-port", str(enrol_port))
        self.run("init", "--host", HOST, *ports, "--devices", str(devices), "--local")

    def enrol(self, devices: Iterable[DeviceFacts], real: Mapping[str, bytes]) -> Path:
        """Enrol meters whose keys were made before; returns the folder of their papers.

        Args:
            devices: emulated ones; NAME.pem is certificate and key together.
            real: name -> certificate request of a device that keeps its key; NAME.ticket is for it.
        """
        papers = self._outside / "papers"
        papers.mkdir(mode=0o700)
        rows: list[dict[str, Any]] = []
        hasty = _Hasty()
        for facts in devices:
            key = papers / f"{facts.name}.key"
            ensure_key(key, hasty)
            ensure_request(papers / f"{facts.name}.csr", key, facts.name, hasty)
            rows.append(
                {
                    "name": facts.name,
                    "feeder": facts.feeder,
                    "board": facts.board,
                    "firmware": ".".join(map(str, facts.release)),
                    "document": str(EXAMPLE),
                    "request": f"{facts.name}.csr",
                }
            )
        for name, request in real.items():
            (papers / f"{name}.csr").write_bytes(request)
            rows.append({"name": name, "firmware": FIRMWARE, "request": f"{name}.csr"})
        listed = papers / "meters.csv"
        with listed.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        done = self.run("enroll", "--csv", str(listed), "--out", str(papers / "tickets"))
        for row in done["devices"]:
            ticket = json.loads(Path(row["ticket"]).read_text(encoding="utf-8"))
            name = row["device"]
            self.key_set = ticket["key_set"]
            if name in real:
                Path(row["ticket"]).rename(papers / f"{name}.ticket")
                continue
            key_pem = (papers / f"{name}.key").read_text(encoding="ascii")
            (papers / f"{name}.pem").write_text(key_pem + ticket["certificate"], encoding="ascii")
        return papers

    def push(self, change: str, *, waves: str, abort: str, window_s: int, hold_s: int) -> dict[str, Any]:
        """Sign a change and begin to roll it out, to devices too that do not know the time: this machine may not."""
        file = self._outside / "change.toml"
        file.write_text(change, encoding="utf-8")
        key = ("--key", str(self.folder / "operator.key"))
        pace = ("--waves", waves, "--abort", abort, "--window", f"{window_s}s", "--hold", f"{hold_s}s")
        return self.run("push", str(file), *key, *pace, "--without-clock", "--detach")

    def status(self, version: int) -> dict[str, Any]:
        """How a rollout stands."""
        return self.run("status", f"v{version}", codes=(0, 3))

    def audit(self) -> dict[str, Any]:
        """Whether the audit's chain is whole."""
        return self.run("audit", "verify", codes=(0, 1))

    # -- the service ---------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        log = (self._outside / "serve.log").open("ab")
        with log:
            self._service = subprocess.Popen(  # noqa: S603 - ours
                [sys.executable, str(PROGRAM), "serve", "--desk", str(self.folder)],
                stdout=log,
                stderr=log,
                env={"PYTHONPATH": str(ROOT)},
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        service = self._service
        if service is None:
            return
        service.terminate()
        try:
            service.wait(_END_S)
        except subprocess.TimeoutExpired:
            service.kill()
            service.wait()

    @property
    def service_pid(self) -> int:
        """Of the service.

        Raises:
            DeskError: it has ended.
        """
        if self._service is None or self._service.poll() is not None:
            log = (self._outside / "serve.log").read_text(encoding="utf-8", errors="replace")
            raise DeskError(f"gridlight-fleet serve ended: {log[-800:]}")
        return self._service.pid


class _Hasty(Files):
    """Waits for no disk: a rehearsal that is cut off begins anew."""

    def sync(self, descriptor: int) -> None:
        """Nothing."""

    def sync_folder(self, folder: Path) -> None:
        """Nothing."""
