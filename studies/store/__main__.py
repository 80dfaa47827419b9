"""The old spelling of `python -m studies gc`."""

import sys

from studies.planning.collect import main

sys.exit(main())
