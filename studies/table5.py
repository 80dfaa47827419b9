"""The paper's ablation (Table 5), row by row: five pairs of λ1 and λ2, and a random architecture.

Grid      (λ1, λ2) = (0, 0), (0.01, 0), (0.1, 0), (0.01, 0.01), (0.1, 0.1) with the released code's complexity constants,
          × seeds; one random architecture (the paper's was another draw, of 7.63 M parameters); the two ends of the space.
          5 searches, 1 random architecture and 2 ends in every preset; by the paper's own cost (2 V100-hours a search,
          4.5 a training) the paper preset is 46 V100-hours a seed.
Cost      quick: about 3 minutes on two cores of an Intel Xeon, on an empty store; `--dry-run` says it for other presets and machines.
Shows     Each row's PSNR, SSIM, parameters and testing time; the published figures stand beside them in report/table5.md, with their doubts.
Command   python studies/table5.py
          python studies/table5.py --preset paper --data DIR --address auto --gpus-per-trial 1 --seeds 3
Usually   --random 5   --set complexity=parameters
"""

import sys

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
    sys.exit(main(STUDY, __doc__))
