"""What does a setting do? Any field of the configuration, swept by `--set`.

Grid      Whatever `--set field=a,b …` names, × seeds. With nothing named: where the paper and its
          released code differ in how a search works, `mixing` (do the two modules of a column read
          the same input) × `alpha_statistics` (batch norm in the α step).
          every preset: 4 searches; `--random N` adds random architectures
Cost      `--dry-run` says what it takes on your machine.
Shows     The rows side by side; PSNR against parameters.
Command   python studies/settings.py
          python studies/settings.py --set batch_size=8,16,32 channels=4,8
Usually   --set alpha_learning_rate=0.003,0.03   --set complexity=parameters,flops,authors lambda2=0.1
"""

from studies.driver.command_line import main
from studies.driver.study import Study

DOUBTS = {"mixing": ["parallel", "sequential"], "alpha_statistics": ["running", "batch"]}

STUDY = Study(
    name="settings",
    axes={"quick": DOUBTS, "proxy": DOUBTS, "paper": DOUBTS},
    random={"quick": 0, "proxy": 0, "paper": 0},
    ends=False,
    replaced_by_assigned=True,
)

if __name__ == "__main__":
    raise SystemExit(main(STUDY, __doc__))
