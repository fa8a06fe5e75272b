"""Metrics: the text form of Prometheus, documented, and without a trace of trades."""

import re
from dataclasses import replace
from pathlib import Path

from hypothesis import given

from firmware_app.status import metrics
from firmware_app.status.snapshot import Absent, Device, Snapshot
from tests.firmware_app.status.made_up import SNAPSHOTS
from tests.firmware_app.status.test_terminal import judged
from tests.status_kit import BARE, FAILED, METER, TRADING

SAMPLE = re.compile(
    r'[a-z_0-9]+(\{[a-z_]+="([^"\\\n]|\\["\\n])*"(,[a-z_]+="([^"\\\n]|\\["\\n])*")*\})? -?[0-9.e+-]+'
)
DOCS = Path(__file__).resolve().parents[3] / "docs" / "status.md"


def samples(snapshot: Snapshot) -> dict[str, float]:
    lines = [line for line in metrics.render(snapshot).splitlines() if not line.startswith("#")]
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines}


@given(SNAPSHOTS)
def test_any_device_gives_text_that_prometheus_reads(snapshot: Snapshot) -> None:
    text = metrics.render(snapshot, age_ms=1_500)
    helped = None
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            helped = line.split(" ")[2]
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {helped} gauge"
        else:
            assert SAMPLE.fullmatch(line), line
            assert re.split(r"[{ ]", line)[0] == helped


def test_numbers_of_a_trading_device() -> None:
    found = samples(judged(TRADING))
    assert found['gridlight_reading_age_seconds{meter="house"}'] == 0.8
    assert found["gridlight_clock_offset_seconds"] == -0.000412
    assert found["gridlight_proof_level"] == 3
    assert found['gridlight_notices{code="witness-unreachable",severity="warning"}'] == 1
    assert found['gridlight_state{state="trading"}'] == 1
    assert found['gridlight_link_up{peer="witness-2",role="witness"}'] == 0


def test_what_is_absent_is_left_out_and_never_zero() -> None:
    assert not [name for name in samples(BARE) if "clock" in name or "reading" in name]
    assert "gridlight_clock_offset_seconds" not in samples(FAILED)


def test_identity_or_trades_never_both() -> None:
    """Whatever is traded or metered may change without a metric changing."""
    assert not isinstance(TRADING.market, Absent)
    assert not isinstance(TRADING.forecast, Absent)
    other = replace(
        TRADING,
        market=replace(TRADING.market, sold_today_j=0, earned_today_uc=-5, position=Absent("none")),
        forecast=replace(TRADING.forecast, next_hour_j=1, p10_j=0, p90_j=2),
        meters=(replace(METER, power_w=17, import_j=1, export_j=2),),
        day=Absent("none"),
    )
    assert metrics.render(other) == metrics.render(TRADING)
    assert metrics.render(replace(TRADING, life=replace(TRADING.life, since_ago_ms=1))) != metrics.render(
        TRADING
    )


def test_labels_are_escaped() -> None:
    named = replace(BARE, device=Device(name='a"b\\c\nd', version="1", up_ms=0))
    assert 'device="a\\"b\\\\c\\nd"' in metrics.render(named)


def test_every_metric_is_documented_and_every_documented_one_exists() -> None:
    documented = set(re.findall(r"^\| `(gridlight_[a-z_0-9]+)`", DOCS.read_text(), flags=re.MULTILINE))
    assert documented == set(metrics.METRICS)
