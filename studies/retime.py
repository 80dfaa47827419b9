"""The old spelling of `python -m studies retime`."""

import sys

from studies.driver.retime import main

if __name__ == "__main__":
    sys.exit(main())
