"""The paper's ablation (Table 5), row by row: five pairs of λ1 and λ2, and a random architecture.

Grid      (λ1, λ2) = (0, 0), (0.01, 0), (0.1, 0), (0.01, 0.01), (0.1, 0.1) with the released code's
          complexity constants as the unit of λ2, × seeds; one random architecture (the paper's was another draw, of
          7.63 M parameters); the all-parallel and all-fusion networks.
          every preset: 5 searches, 1 random architecture, all parallel and all fusion
Cost      `--dry-run` says what it takes on your machine.
          paper: 46 V100-hours a seed, by the paper's own cost (2 a search, 4.5 a training)
Shows     Each row's PSNR, SSIM, parameters and testing time; in report/table5.md the published
          figures stand beside them, with their doubts.
Command   python studies/table5.py
          python studies/table5.py --preset paper --data DIR --address auto --gpus-per-trial 1 --seeds 3
Usually   --random 5   --set complexity=parameters
"""

from studies.driver.command_line import main
from studies.driver.study import Study

ROWS = [(0.0, 0.0), (0.01, 0.0), (0.1, 0.0), (0.01, 0.01), (0.1, 0.1)]

STUDY = Study(
    name="table5",
    axes={preset: {"complexity": ["authors"]} for preset in ("quick", "proxy", "paper")},
    random={"quick": 1, "proxy": 1, "paper": 1},
    points=lambda preset, folder: [{"lambda1": lambda1, "lambda2": lambda2} for lambda1, lambda2 in ROWS],
)

if __name__ == "__main__":
    raise SystemExit(main(STUDY, __doc__))
