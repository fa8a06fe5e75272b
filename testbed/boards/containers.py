"""Boards as containers of the board's image, by Docker or Podman: non-root, read-only root, bounded memory.

Where this machine's processor is another one, the kernel runs the container's programs through qemu-user, as
`binfmt-support` has set it up.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

import testbed
from testbed.boards.housing import SOCKET, Account, Board, HousingError, Inside, Memory, answer_at
from testbed.boards.memory import memory_of
from testbed.fleet.virtual_meters.ends import PtyEnd

FOLDER: Final = Path("/var/lib/gridlight")
"""The one volume of the image."""
SERVICE_USER: Final = 850
"""Of the image; see deploy/root/install."""
_TESTBED: Final = Path(testbed.__file__).resolve().parent
_INSIDE: Final = "/opt/testbed"
_CALL_S: Final = 300.0
_GOODBYE_S: Final = 120


class Containers:
    """Where boards are containers on a network of their own."""

    def __init__(self, image: str, *, engine: str = "docker", memory_mb: int = 192) -> None:
        """Make the network.

        Args:
            image: of the board, which the engine must have.
            engine: `docker`, or `podman`, whose words are the same.
            memory_mb: limit of each container, the emulator included.

        Raises:
            HousingError: no engine answers, or it has no such image.
        """
        self._engine, self._image, self._memory_mb = engine, image, memory_mb
        self._prefix = f"gridlight-{os.getpid()}"
        root = os.geteuid() == 0
        self._owner = SERVICE_USER if root else None
        self._user = f"{SERVICE_USER}:{SERVICE_USER}" if root else f"{os.geteuid()}:{os.getegid()}"
        if not self._call("images", "--quiet", image).strip():
            raise HousingError(f"{engine} has no image {image}: build it first (docs/containers.md)")
        self._made: set[str] = set()
        self._call("network", "create", self._prefix)
        try:
            self.host = self._gateway()
        except HousingError:
            self.close()
            raise

    def _gateway(self) -> str:
        found = json.loads(self._call("network", "inspect", self._prefix))[0]
        configs = found.get("IPAM", {}).get("Config") or found.get("subnets") or [{}]
        address = configs[0].get("Gateway") or configs[0].get("gateway")
        if not address:
            raise HousingError(f"the network {self._prefix} has no address of this machine")
        return str(address)

    def inside(self, board: Board) -> Inside:  # noqa: ARG002 - each has a volume of its own
        """The volume."""
        status: dict[str, str | bool] = {"socket": str(FOLDER / SOCKET), "enabled": False}
        return Inside(data_folder="data", meter=str(FOLDER / "meter"), status=status)

    def plug(self, board: Board) -> PtyEnd:
        """A pseudo terminal that the container's user may read."""
        return PtyEnd(board.folder / "meter", owner=self._owner)

    def endpoint(self, board: Board, server: str) -> str:  # noqa: ARG002 - all are on one network
        """The server itself: the network leads there."""
        return server

    def prepare(self, board: Board) -> None:
        """Give the folder to the container's user, and make the container."""
        if self._owner is not None:
            for path in (board.folder, *board.folder.rglob("*")):
                os.chown(path, self._owner, self._owner, follow_symlinks=False)
        limit = f"{self._memory_mb}m"
        self._call(
            "create",
            *("--platform", "linux/arm/v7"),
            *("--name", self._name(board), "--network", self._prefix, "--pull", "never"),
            *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--user", self._user, "--pids-limit", "64", "--no-healthcheck"),
            *("--memory", limit, "--memory-swap", limit),
            *("--volume", f"{board.folder.resolve()}:{FOLDER}"),
            # The port is a link to a terminal of this machine, another one after each plugging in.
            *("--volume", "/dev/pts:/dev/pts"),
            *("--volume", f"{_TESTBED}:{_INSIDE}/testbed:ro", "--env", f"PYTHONPATH={_INSIDE}"),
            *("--entrypoint", "python3", self._image, "-m", "testbed.live.device"),
            *(str(FOLDER / "gridlight.toml"), str(FOLDER / "clock.json")),
        )
        self._made.add(board.name)

    def switch_on(self, board: Board) -> None:
        """Start the container."""
        self._call("start", self._name(board))

    def switch_off(self, board: Board) -> None:
        """Kill it, without a warning."""
        self._call("kill", "--signal", "KILL", self._name(board))

    def reset(self, board: Board) -> None:
        """Kill it, and start it again."""
        self.switch_off(board)
        self.switch_on(board)

    def cut(self, board: Board) -> None:
        """Take it off the network."""
        self._call("network", "disconnect", self._prefix, self._name(board))

    def mend(self, board: Board) -> None:
        """Put it back."""
        self._call("network", "connect", self._prefix, self._name(board))

    def status(self, board: Board) -> dict[str, Any]:
        """By its control socket, which lies in the volume."""
        return answer_at(board.door)

    def memory(self, board: Board) -> Memory | None:
        """By the mappings of its process, as this machine sees it."""
        pid = int(self._inspect(board, "{{.State.Pid}}") or 0)
        return memory_of(pid, "python3") if pid else None

    def end(self, board: Board) -> int | None:
        """Ask it to end, and keep what it said."""
        if board.name not in self._made:
            return None
        running = self._inspect(board, "{{.State.Running}}") == "true"
        self._call("stop", "--time", str(_GOODBYE_S), self._name(board))
        (board.folder / "device.log").write_text(
            self._call("logs", self._name(board), mixed=True), encoding="utf-8"
        )
        if self._inspect(board, "{{.State.OOMKilled}}") == "true":
            raise HousingError(f"{board.name} wanted more than {self._memory_mb} MB")
        return int(self._inspect(board, "{{.State.ExitCode}}")) if running else None

    def account(self, board: Board) -> Account | None:  # noqa: ARG002 - nobody counts
        """It has no card."""
        return None

    def close(self) -> None:
        """Remove the containers and the network."""
        for name in sorted(self._made):
            self._call("rm", "--force", "--volumes", f"{self._prefix}-{name}", may_fail=True)
        self._made.clear()
        self._call("network", "rm", self._prefix, may_fail=True)

    def _name(self, board: Board) -> str:
        return f"{self._prefix}-{board.name}"

    def _inspect(self, board: Board, form: str) -> str:
        return self._call("inspect", "--format", form, self._name(board)).strip()

    def _call(self, *words: str, mixed: bool = False, may_fail: bool = False) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - the engine that the user names, with our own words
                [self._engine, *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if mixed else subprocess.PIPE,
                text=True,
                errors="replace",
                check=False,
                timeout=_CALL_S,
            )
        except OSError as error:
            raise HousingError(f"{self._engine} cannot be run: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise HousingError(f"{self._engine} {words[0]} took over {_CALL_S:.0f} s") from None
        if done.returncode and not may_fail:
            said = (done.stderr or done.stdout or "").strip().splitlines()
            last = said[-1] if said else f"exit code {done.returncode}"
            raise HousingError(f"{self._engine} {' '.join(words[:2])}: {last}")
        return done.stdout
