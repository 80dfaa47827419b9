"""What do λ1 and λ2 buy: which PSNR for which size and which testing time, and is the search better than luck?

Grid      λ1 (how hard α is driven to 0 or 1) × λ2 (the price of size) × seeds, beside random
          architectures of the same space that get the same training.
          λ2 is by parameters. The released code's constants (complexity=authors, as in table5.py)
          press harder at the same λ2: 11, 3.4 and 1.0 times in cells 1, 2 and 3.
          quick: 3 × 2 searches at 2 seeds, and 3 random architectures
          proxy: 5 × 3 searches, and 10
          paper: 3 × 3 searches, and 5
Cost      `--dry-run` says what it takes on your machine.
Shows     PSNR against parameters and against testing time, the Pareto front of each, the random
          architectures as a cloud; λ2 > 0 moves trials to the left (fewer parameters).
Command   python studies/lambda_pareto.py
          python studies/lambda_pareto.py --preset proxy --data DIR --seeds 3
Usually   --set lambda1=0,0.01,0.1   --set complexity=authors   --seeds 3
"""

from studies.driver.command_line import main
from studies.driver.study import Study

STUDY = Study(
    name="lambda_pareto",
    axes={
        "quick": {"lambda1": [0.0, 0.03, 0.1], "lambda2": [0.0, 0.01], "seed": [0, 1]},
        "proxy": {"lambda1": [0.0, 0.01, 0.03, 0.1, 0.3], "lambda2": [0.0, 0.01, 0.1]},
        "paper": {"lambda1": [0.0, 0.01, 0.1], "lambda2": [0.0, 0.01, 0.1]},
    },
    random={"quick": 3, "proxy": 10, "paper": 5},
)

if __name__ == "__main__":
    raise SystemExit(main(STUDY, __doc__))
