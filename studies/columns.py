"""What does length (N_i, the number of columns of a cell) buy, and where: at high or at low resolution?

Grid      N_i uniform (2, 4, 6 in every cell) and uneven (2-4-6: long at low resolution; 6-4-2: long at
          high resolution; both have as many columns as 4-4-4) × λ1 × seeds, beside random
          architectures, all parallel and all fusion. λ1 enters raw and as a multiple of the polarisation
          threshold N·w·ln 10 (`2x`), which grows with the number of columns.
          The two cells of quick and proxy have 1, 2, 3, 1-3 and 3-1 columns.
          quick: 5 × 2 searches, 5 random architectures, 10 all parallel or all fusion
          proxy: 5 × 3 searches, 15 and 10; paper: 5 × 4 searches, 15 and 10
Cost      `--dry-run` says what it takes on your machine.
Shows     PSNR against parameters and testing time for every space; 2-4-6 beside 6-4-2 at equal length.
Command   python studies/columns.py
          python studies/columns.py --preset proxy --data DIR --seeds 3
Usually   --set columns=3,5   --set columns=1-2-3,3-2-1   --set lambda1=2x
"""

from studies.driver.command_line import main
from studies.driver.options import Multiple
from studies.driver.study import Study

COLUMNS = [(2,), (4,), (6,), (2, 4, 6), (6, 4, 2)]
OF_TWO_CELLS = [(1,), (2,), (3,), (1, 3), (3, 1)]

STUDY = Study(
    name="columns",
    axes={
        "quick": {"columns": OF_TWO_CELLS, "lambda1": [0.01, Multiple(2)]},
        "proxy": {"columns": OF_TWO_CELLS, "lambda1": [0.01, Multiple(0.5), Multiple(2)]},
        "paper": {"columns": COLUMNS, "lambda1": [0.01, 0.1, Multiple(0.5), Multiple(2)]},
    },
    random={"quick": 1, "proxy": 3, "paper": 3},
)

if __name__ == "__main__":
    raise SystemExit(main(STUDY, __doc__))
