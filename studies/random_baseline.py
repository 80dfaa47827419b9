"""What does luck give: how good are random architectures of the space, with the same training and the same test?

Grid      N random architectures × seeds, and the all-parallel and all-fusion networks; no searches. The architectures
          are the first N of one fixed random order of the space: a larger N adds to what is there,
          and other studies of the same store share their trainings.
          quick: 6; proxy: 20; paper: 10; `--random N`: N; `--random all`: the whole space (quick: 16)
Cost      `--dry-run` says what it takes on your machine.
Shows     The distribution of PSNR, parameters and testing time that a search has to beat.
Command   python studies/random_baseline.py
          python studies/random_baseline.py --preset proxy --data DIR --random 50 --seeds 3
Usually   --random all   --random 50   --set sigma=50
"""

from studies.driver.command_line import main
from studies.driver.study import Study

STUDY = Study(
    name="random_baseline",
    random={"quick": 6, "proxy": 20, "paper": 10},
    searched=False,
)

if __name__ == "__main__":
    raise SystemExit(main(STUDY, __doc__))
