"""What is written down of the large values that miners and the DSO report: the facts, not the whole ledger."""

from collections import Counter

from light_client.rules.ledger.block import Header
from light_client.rules.ledger.events import Event, SolutionFinalised
from light_client.rules.units import Side
from testbed.dso.operator import FollowedBlock


def picture(value: object) -> object:
    """Return a header or a followed block in short, and the number of each kind of events; other values as they are."""
    match value:
        case Header():
            return _header(value)
        case FollowedBlock():
            finals = [e for e in value.outcome.events if isinstance(e, SolutionFinalised)]
            paid = sum(t.amount_uc for e in finals for t in e.trades if t.side == Side.BUY)
            return {
                **_header(value.certified.header),
                "paid_uc": paid,
                "events": _kinds(value.outcome.events),
            }
        case tuple() if value and all(isinstance(item, Event) for item in value):
            return _kinds(value)
        case _:
            return value


def _header(header: Header) -> dict[str, object]:
    clearing = header.clearing
    return {
        "height": header.height,
        "hash": header.hash(),
        "round": header.round_,
        "time_ms": header.time_ms,
        "how": clearing.how,
        "interval": clearing.interval,
        "traded_j": clearing.traded_j,
        "gap_j": clearing.gap_j,
    }


def _kinds(events: tuple[object, ...]) -> dict[str, int]:
    return dict(Counter(type(event).__name__ for event in events))
