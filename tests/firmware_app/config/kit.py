"""A device's folder that holds together: document, genesis, and whom it names."""

from pathlib import Path

from light_client.rules.encoding import encode
from light_client.rules.ledger.genesis import Genesis
from light_client.transport.keys import TransportKey
from testbed.scenarios import catalogue
from testbed.scenarios.part import part_of
from testbed.simulation.day import cast_of


def genesis() -> Genesis:
    """Of a small test chain with the feeders 1 to 3 of the village."""
    file = catalogue.find("village")
    return cast_of(file, part_of(catalogue.build(file), skip=48, intervals=2), 5).genesis


def write_device(folder: Path, *, port: str = "/dev/ttyUSB9") -> Path:
    """Write the document and what it names; return its path."""
    chain = genesis()
    (folder / "genesis.cbor").write_bytes(encode(chain.to_wire()))
    key = TransportKey.generate().public
    servers = "".join(
        f'[[market.server]]\nname = "miner-{number}"\nendpoint = "tcp://127.0.0.1:{7001 + number}"\n'
        f"key = '{key}'\n"
        for number in range(2)
    )
    text = (
        '[device]\nname = "meter-0101"\ndata_folder = "data"\n'
        f'[[meter]]\nname = "house"\nrole = "grid"\nprofile = "eastron-sdm630"\nport = "{port}"\n'
        f'[market]\ngenesis = "genesis.cbor"\nfingerprint = "{chain.chain_id().hex()}"\n'
        f"feeder = {min(chain.grid.ext_j)}\n"
        f'[market.dso]\nname = "dso"\nendpoint = "tcp://127.0.0.1:7000"\nkey = \'{key}\'\n'
        f"{servers}"
    )
    path = folder / "device.toml"
    path.write_text(text, encoding="utf-8")
    return path
