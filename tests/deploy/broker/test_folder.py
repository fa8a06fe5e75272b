"""What `gridlight-fleet broker` writes: bounds, files that stay, and words that cannot smuggle a line into them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from deploy.broker.access import rights, token_file, without
from deploy.broker.settings import MAX_PACKET_BYTES, BrokerSettings, configuration, service_drop_in
from deploy.operator.cli import main
from firmware_app.console import Exit
from firmware_app.fleet.envelope import MAX_ENVELOPE_BYTES
from firmware_app.fleet.topics import TO_DEVICE, Said, Topics
from light_client.rules.errors import LocalError

TOPICS = Topics(bytes(range(32)))


def settings_of(**fields: Any) -> BrokerSettings:
    """Those of a broker."""
    return BrokerSettings(**({"folder": Path("/etc/gridlight-broker")} | fields))


def values(text: str, key: str) -> list[str]:
    """Of all lines that begin with a key."""
    return [line.removeprefix(f"{key} ") for line in text.splitlines() if line.startswith(f"{key} ")]


def test_nobody_is_anonymous_and_every_listener_speaks_tls() -> None:
    text = configuration(settings_of())
    listeners = text.split("\nlistener ")[1:]
    assert [part.split()[0] for part in listeners] == ["8883", "8884"]
    for part in listeners:
        assert values(part, "allow_anonymous") == ["false"]
        assert values(part, "tls_version") == ["tlsv1.2"]
        assert {"cafile", "certfile", "keyfile", "acl_file"} <= {
            line.split()[0] for line in part.splitlines() if line
        }
    assert (values(listeners[0], "require_certificate"), values(listeners[0], "crlfile")) == (
        ["true"],
        ["/etc/gridlight-broker/revoked.crl"],
    )
    assert len(configuration(settings_of(enrol_port=0)).split("\nlistener ")) == 2


@pytest.mark.parametrize("devices", [1, 10_000, 1_000_000])
def test_bounds_follow_from_the_number_of_devices(devices: int) -> None:
    text = configuration(settings_of(devices=devices))
    (most, _), (queued,) = values(text, "max_connections"), values(text, "max_queued_messages")
    assert int(most) > devices
    assert int(queued) >= 8 * devices, "an operator's queue holds what all devices say at once"
    assert MAX_ENVELOPE_BYTES < MAX_PACKET_BYTES <= MAX_ENVELOPE_BYTES + 4_096
    (files,) = values(service_drop_in(settings_of(devices=devices)).replace("=", " "), "LimitNOFILE")
    assert int(files) > int(most)


@pytest.mark.parametrize(
    "fields",
    [
        {"bind": "0.0.0.0\nallow_anonymous true"},
        {"folder": Path("/etc/x\nallow_anonymous true")},
        {"folder": Path("relative")},
        {"data_folder": Path("/var/lib/with space")},
        {"user": "root\nallow_anonymous true"},
        {"port": 0},
        {"port": 8884},
        {"enrol_port": 70_000},
        {"devices": 0},
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(LocalError):
        settings_of(**fields)


def test_devices_have_rights_for_their_own_topics_alone() -> None:
    lines = [line for line in rights(TOPICS, (), ()).splitlines() if not line.startswith("#")]
    mine = [line for line in lines if "%u" in line]
    assert {line.split()[-1].split("/")[5] for line in mine} == set(Said)
    assert [line for line in lines if "%u" not in line] == [f"pattern read {TOPICS.keys('+')}"]
    readable = {line.split()[-1].split("/")[5] for line in mine if line.startswith("pattern read ")}
    assert readable == set(TO_DEVICE)
    assert not [line for line in lines if line.endswith("#") or line.split()[1] == "readwrite"]


def test_who_is_shut_out_comes_in_again_when_the_list_is_written_anew() -> None:
    open_to_all = rights(TOPICS, ("operator.desk",), ())
    shut = without(open_to_all, ["meter-b", "meter-a"])
    assert [shut.count(f"user {name}\ntopic deny gridlight/1/#") for name in ("meter-a", "meter-b")] == [1, 1]
    assert without(shut, ["meter-c"]).count("topic deny") == 1
    assert without(shut, ()) == without(open_to_all, ()) == open_to_all


def test_tokens_are_not_in_their_file() -> None:
    one, two = (token_file({"meter-a": "secret-token"}) for _ in range(2))
    assert "secret-token" not in one
    assert one.startswith("meter-a:$7$")
    assert one != two, "salted"


class Desk:
    """A folder with a key set, and the command."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.run("keygen", "anna")
        anna = str(folder / "anna.pub")
        roles = [word for flag in ("--keys", "--config", "--grid") for word in (flag, f"1:{anna}")]
        self.run("keyset", "--out", str(folder / "keys-1"), *roles, there=False)

    def run(self, *words: str, there: bool = True) -> tuple[int, dict[str, Any]]:
        """Exit code and document."""
        more = ["--folder", str(self.folder)] if words[0] == "keygen" and there else []
        self._capsys.readouterr()
        code = main([*words, *more, "--json"])
        return code, json.loads(self._capsys.readouterr().out)

    def broker(self, *words: str) -> tuple[int, dict[str, Any]]:
        """The command `broker` in this folder."""
        folders: Sequence[str] = ("--out", str(self.folder / "b"), "--authority", str(self.folder / "a"))
        return self.run("broker", "--key-set", str(self.folder / "keys-1"), *folders, *words)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """One with keys."""
    return Desk(tmp_path, capsys)


def test_the_command_writes_a_folder_and_leaves_keys_as_they_are(desk: Desk) -> None:
    code, document = desk.broker("--host", "broker.example", "--watcher", "grafana")
    assert (code, document["schema"], document["authority_is_new"]) == (
        Exit.OK,
        "gridlight.fleet.broker/1",
        True,
    )
    assert document["certificates"] == ["operator.desk", "watcher.grafana"]
    out = desk.folder / "b"
    assert {path.name for path in out.iterdir()} == set(document["files"])
    secret = {
        path.name: path.stat().st_mode & 0o777 for path in out.iterdir() if path.stat().st_mode & 0o077 == 0
    }
    assert secret == {"server.key": 0o600, "tokens": 0o600}
    assert "authority.key" not in document["files"], "what signs certificates stays with the operator"
    keys = (out / "server.key", desk.folder / "a" / "operator.desk.key")
    (out / "tokens").write_text("meter-a:hash\n")
    before = [path.read_bytes() for path in keys]
    code, document = desk.broker("--host", "broker.example", "--devices", "50000")
    assert (code, document["authority_is_new"]) == (Exit.OK, False)
    assert [path.read_bytes() for path in keys] == before
    assert (out / "tokens").read_text() == "meter-a:hash\n"
    assert "max_connections 50512" in (out / "mosquitto.conf").read_text()


@pytest.mark.parametrize(
    "words", [("--port", "0"), ("--operator", "Anna.B"), ("--bind", "a b"), ("--devices", "0")]
)
def test_wrong_use_is_said_so(desk: Desk, words: tuple[str, ...]) -> None:
    code, document = desk.broker("--host", "broker.example", *words)
    assert (code, document["schema"]) == (Exit.USAGE, "gridlight.error/1")
