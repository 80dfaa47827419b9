"""How much is seed luck: of the search, and of the training?

Grid      One configuration at several seeds, from the search on; then the architecture that the first
          seed found, trained with every other seed; beside them random architectures with every seed.
          quick: 3 seeds; proxy and paper: 5; `--seeds N`: N, from 2 on
Cost      `--dry-run` says what it takes on your machine.
Shows     The spread of PSNR over whole replicates (search and training), over trainings of one
          architecture, and over architectures; whether the seeds agree on an architecture.
Command   python studies/seeds.py
          python studies/seeds.py --preset proxy --data DIR --seeds 10
Usually   --set lambda1=0.1   --set lambda2=0.01
"""

from analysis.statistics.answers import spread_lines
from clearer.configuration import Configuration
from studies.driver.command_line import main
from studies.driver.study import Findings, Study


def retrained(findings: Findings) -> list[Configuration]:
    """The architecture of each configuration's first seed, with the other seeds."""
    searched = [c for c in findings.trials if c.kind == "searched"]
    first = {c.replicate_id: findings.found.get(c.trial_id) for c in reversed(searched)}
    found = ((c, first[c.replicate_id]) for c in searched)
    return [c.with_values(kind="given", architecture=architecture) for c, architecture in found if architecture]


STUDY = Study(
    name="seeds",
    axes={"quick": {"seed": [0, 1, 2]}, "proxy": {"seed": [0, 1, 2, 3, 4]}, "paper": {"seed": [0, 1, 2, 3, 4]}},
    random={"quick": 2, "proxy": 3, "paper": 3},
    ends=False,
    follow=retrained,
    answer=lambda findings: spread_lines(findings.rows),
)

if __name__ == "__main__":
    raise SystemExit(main(STUDY, __doc__))
