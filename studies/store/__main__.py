"""The old spelling of `python -m studies gc`."""

import runpy

runpy.run_module("studies", run_name="__main__")
