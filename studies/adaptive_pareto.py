"""Where, among λ1 and λ2, should one look next? A sampler proposes; every finished trial in the store teaches it.

Grid      None. Optuna's multi-objective TPE proposes λ1 and λ2 on a logarithmic scale, as many at once
          as the cluster holds, for PSNR on validation crops ↑, parameters ↓ and a time proxy ↓. Fronts
          over what it found are scored on test images. The proxy is the sum of
          an architecture's module times, each measured once on this device; the testing time is
          measured at the end of each round, and is in the rows.
          Beside it random architectures and the all-parallel and all-fusion networks.
          `--set lambda1=0.001,1` gives the ends of the range; several values of cells, columns or
          channels are choices of the sampler.
          quick: 6 proposals; proxy: 30; paper: 20; `--trials N`: N
Cost      `--dry-run` says what it takes on your machine.
Shows     The Pareto front of what was proposed and of what other studies of the store have tried.
Command   python studies/adaptive_pareto.py
          python studies/adaptive_pareto.py --preset proxy --data DIR --trials 60
Usually   --trials 60   --set columns=2,4,6   --set lambda1=0.001,1

The sampler is taught anew before each round, so a restart goes on where the rows are. Proposals that
were planned and not finished are run first.
"""

import argparse

from clearer.command import whole_number
from clearer.configuration import Configuration
from studies.driver.command_line import main
from studies.driver.proposals import TAUGHT, Adaptive, check_assigned
from studies.driver.study import Findings, Study

TRIALS = {"quick": 6, "proxy": 30, "paper": 20}


def arguments(parser: argparse.ArgumentParser) -> None:
    text = "proposals in all (default: 6 quick, 30 proxy, 20 paper)"
    parser.add_argument("--trials", metavar="N", type=whole_number, help=text)


def follow(findings: Findings) -> list[Configuration]:
    return Adaptive(findings, findings.options.more.get("trials") or TRIALS[findings.options.preset]).next_round()


STUDY = Study(
    name="adaptive_pareto",
    random={"quick": 2, "proxy": 5, "paper": 5},
    searched=False,
    follow=follow,
    follows_from=TAUGHT,
    answer=lambda findings: Adaptive(findings, 0).lines(),
    arguments=arguments,
    check=check_assigned,
)

if __name__ == "__main__":
    raise SystemExit(main(STUDY, __doc__))
