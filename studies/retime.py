"""The old spelling of `python -m studies retime`."""

import sys

from studies.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["retime", *sys.argv[1:]]))
