"""`python -m testbed.live NODE.json`."""

import sys

from testbed.live.process import main

if __name__ == "__main__":
    sys.exit(main())
