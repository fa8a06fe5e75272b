"""One process of a live run: `python -m testbed.live NODE.json` runs the actors of a node file until told to stop.

If the node file states no clock, a supervisor holds the process on a leash, see `leash.py`.

Exit codes: 0 stopped by SIGTERM or SIGINT; 1 the machine refuses (a port, the store); 2 the node file is wrong; 70 our
bug, with the traceback on stderr. A supervisor starts a process that ended with 1 or 70 again.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

import zmq.asyncio

from firmware_app.command_line import collect_less_often
from firmware_app.runtime.driver import Driver
from light_client.rules.errors import TransportError
from light_client.session.actor import Actor
from light_client.store.batch import Compartment
from light_client.store.errors import StoreError
from light_client.store.sqlite import SqliteStorage
from light_client.transport.limits import Limits
from light_client.transport.node import Deliver, Transport
from testbed.live.leash import Leash
from testbed.live.nodefile import ActorSpec, NodeFile, NodeFileError, read_node_file
from testbed.live.reports import ReportLog
from testbed.live.roles import ROLES, Factory, status_of

STOPPED: Final = 0
REFUSED: Final = 1
WRONG_USE: Final = 2
BUG: Final = 70

_SOCKETS: Final = 8_192
"""Room for the connections of many meters in one process."""
_LIMITS: Final = Limits(channels=8, channel_idle_ms=5_000)
"""A hundred meters on one machine share its open files: few channels each, and not for longer than they are used."""
_YOUNG_OBJECTS: Final = 400_000
"""As many as a miner makes anew in some ten full blocks: what belongs to a block has gone again by then, and is not
looked through. On the remote tier 40 MB do not matter."""
_log: Final = logging.getLogger("testbed.live")


def main(argv: Sequence[str] | None = None, roles: Mapping[str, Factory] = ROLES) -> int:
    """Run the process; return its exit code."""
    collect_less_often(_YOUNG_OBJECTS)
    words = sys.argv[1:] if argv is None else list(argv)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if len(words) != 1:
        _log.error("usage: python -m testbed.live NODE.json")
        return WRONG_USE
    try:
        asyncio.run(_run(read_node_file(Path(words[0])), roles))
    except NodeFileError as error:
        _log.error("%s", error)
        return WRONG_USE
    except (TransportError, StoreError) as error:
        _log.error("%s", error)
        return REFUSED
    except Exception:  # noqa: BLE001 - the last line of defence: the traceback goes to the log
        _log.exception("this is a bug in gridlight")
        return BUG
    return STOPPED


async def _run(node: NodeFile, roles: Mapping[str, Factory]) -> None:
    """Build everything, run it until a signal comes, and take it down in the opposite order."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    leash = Leash(stop) if node.clock is None else None
    with ExitStack() as stack:
        store = stack.enter_context(SqliteStorage(node.store))
        reports = ReportLog(node.reports)
        stack.callback(reports.close)
        cast = [(spec, *_actor(spec, node, store, roles)) for spec in node.actors]
        clock = node.clock if leash is None else await leash.clock()
        if clock is None:
            return
        driver = Driver(clock=clock, store=store, reports=reports)
        shared = _context(stack)
        for spec, actor, compartment in cast:
            context = shared if spec.listening is None else _context(stack)
            driver.add(actor, compartment, partial(_connect, spec, context, stack), status_of)
        _log.info("running %s", ", ".join(spec.name for spec in node.actors))
        await driver.run(stop)
        _log.info("stopped")


def _actor(
    spec: ActorSpec, node: NodeFile, store: SqliteStorage, roles: Mapping[str, Factory]
) -> tuple[Actor, Compartment]:
    """Build an actor on its part of the store."""
    if spec.role not in roles:
        raise NodeFileError(f"there is no role {spec.role!r}, only {sorted(roles)}")
    compartment = Compartment(store, spec.name)
    return roles[spec.role](spec, node, compartment), compartment


def _context(stack: ExitStack) -> zmq.asyncio.Context:
    """Return a context that is ended, with every socket left in it, when the stack unwinds."""
    context = zmq.asyncio.Context()
    context.set(zmq.MAX_SOCKETS, _SOCKETS)
    stack.callback(context.destroy)
    return context


def _connect(spec: ActorSpec, context: zmq.asyncio.Context, stack: ExitStack, deliver: Deliver) -> Transport:
    transport = Transport(
        context,
        key=spec.transport_key,
        peers=spec.peers,
        deliver=deliver,
        listening=spec.listening,
        limits=_LIMITS,
    )
    stack.callback(transport.close)
    return transport
