"""The old spelling of `python -m studies preflight`."""

from studies.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main(command="preflight"))
