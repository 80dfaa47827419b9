"""The old spelling of `python -m studies preflight`."""

import sys

from studies.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["preflight", *sys.argv[1:]]))
