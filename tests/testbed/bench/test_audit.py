"""The audit bench times what a replica really does, on a day whose blocks it accepts."""

from __future__ import annotations

import pytest

from testbed.bench.audit import measure_audit
from testbed.bench.cases import case_of, shipped_day


@pytest.mark.parametrize("priced", [False, True])
def test_a_day_out_of_two_blocks(priced: bool) -> None:
    timing = measure_audit(
        case_of(shipped_day("village"), copies=1, priced=priced, limited=False, day=True), repeats=2
    )
    assert timing.offers > 400
    assert timing.body_bytes > 100 * timing.offers, "every offer with key and signature"
    assert timing.solution_bytes > 500
    assert timing.audit_s > 0
    assert timing.document()["audit_s"] == pytest.approx(timing.audit_s, abs=1e-6)
