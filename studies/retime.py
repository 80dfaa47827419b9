"""The old spelling of `python -m studies retime`."""

from studies.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main(command="retime"))
