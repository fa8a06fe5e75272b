"""Random markets by the thousand against the oracle.

python -m tests.oracles.campaign --markets 2000 --corruptions 1000
python -m tests.oracles.campaign --seed 4711 --markets 1 --corruptions 4    (replay one market)
"""

from __future__ import annotations

import argparse
import sys

from tests.oracles.agreement import DisagreementError, campaign


def main(arguments: list[str] | None = None) -> int:
    """Run a campaign; returns 0, or 1 on the first disagreement."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="first market (default 0)")
    parser.add_argument("--markets", type=int, default=2_000, help="markets to compare (default 2000)")
    parser.add_argument(
        "--corruptions", type=int, default=1_000, help="corrupted solutions to try (default 1000)"
    )
    chosen = parser.parse_args(arguments)
    try:
        tally = campaign(chosen.seed, chosen.markets, chosen.corruptions)
    except DisagreementError as difference:
        sys.stderr.write(f"{difference}\n")
        return 1
    sys.stdout.write("\n".join([*tally.lines(), ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
