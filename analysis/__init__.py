"""Results of studies, on a laptop: needs neither torch nor Ray, only the files that a study wrote."""

import lazy_loader

# What there is stands in __init__.pyi; each is loaded when it is first asked for, so that `--help` waits for none.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
