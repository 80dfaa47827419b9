"""What does depth (S, the number of cells, hence of resolutions) buy, and at what price?

Grid      S = 1 … 4 × λ1 × seeds, N_i as configured, beside random architectures and each space's
          all-parallel and all-fusion networks. λ1 enters twice: raw, and as a multiple of the
          polarisation threshold N·w·ln 10 (`2x`), which grows with the number of columns: the same
          λ1 polarises a small space and leaves a large one undecided.
          quick: 4 × 2 searches, 4 random architectures, 8 all parallel or fusion
          proxy: 4 × 3 searches, 12 and 8; paper: 4 × 4 searches, 12 and 8
Cost      `--dry-run` says what it takes on your machine.
Shows     PSNR against parameters and testing time for every depth; whether searching pays more where
          there is more to choose.
Command   python studies/cells.py
          python studies/cells.py --preset proxy --data DIR --seeds 3
Usually   --set lambda1=0.01,2x   --set cells=2,3   --set columns=2
"""

from studies.driver.command_line import main
from studies.driver.options import Multiple
from studies.driver.study import Study

STUDY = Study(
    name="cells",
    axes={
        "quick": {"cells": [1, 2, 3, 4], "lambda1": [0.01, Multiple(2)]},
        "proxy": {"cells": [1, 2, 3, 4], "lambda1": [0.01, Multiple(0.5), Multiple(2)]},
        "paper": {"cells": [1, 2, 3, 4], "lambda1": [0.01, 0.1, Multiple(0.5), Multiple(2)]},
    },
    random={"quick": 1, "proxy": 3, "paper": 3},
)

if __name__ == "__main__":
    raise SystemExit(main(STUDY, __doc__))
