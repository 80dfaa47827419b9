"""Every architecture of a space."""

import itertools
from collections.abc import Sequence

from clearer.architecture import Architecture


def every_architecture(columns: Sequence[int]) -> list[Architecture]:
    """All 2^(N_1 + … + N_S) of them, in the order of the letters with P before F."""
    letters = itertools.product("PF", repeat=sum(columns))
    return [Architecture.from_letters("".join(one), columns) for one in letters]
