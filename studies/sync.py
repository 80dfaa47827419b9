"""The old spelling of `python -m studies sync`."""

import sys

from studies.tracking.sync import main

if __name__ == "__main__":
    sys.exit(main())
