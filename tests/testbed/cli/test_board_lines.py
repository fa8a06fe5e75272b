"""What the report of an emulated board says of its card."""

from testbed.cli.board import lines_of
from testbed.qemu.trial import Trial


def _written(over_s: float, *, start_bytes: int = 310_000) -> str:
    trial = Trial(
        machine="virt",
        read_s=(100.0, 90.0, 91.0),
        reading_guest_s=None,
        shown_s=(101.0, 91.0, 92.0),
        resident_bytes=44_000_000,
        start_bytes=start_bytes,
        written_bytes=100_000,
        written_over_s=over_s,
        fingerprint="ab",
        kept=True,
        cut_while_writing=True,
        instructions=None,
        instructions_per_s=None,
        readings=7,
        sound=True,
        clean_end=True,
    )
    (line,) = (line for line in lines_of(trial) if line.startswith("written"))
    return line


def test_a_minute_is_not_made_a_day_of() -> None:
    assert "310 kB by the first start; then 100 kB in 60 s, which says nothing of a day" in _written(60)
    assert "a day: --measure 3600 does" in _written(1_799)


def test_over_some_intervals_a_day_is_told() -> None:
    assert _written(3_600).endswith("then 100 kB in 3600 s: 2.4 MB a day")


def test_a_card_that_does_not_count_is_not_called_untouched() -> None:
    assert _written(3_600, start_bytes=0).endswith("this machine's card does not count")
