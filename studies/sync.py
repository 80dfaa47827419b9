"""The old spelling of `python -m studies sync`."""

import sys

from studies.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["sync", *sys.argv[1:]]))
