"""The old spelling of `python -m studies preflight`."""

import sys

from studies.nodes.preflight import main

if __name__ == "__main__":
    sys.exit(main())
