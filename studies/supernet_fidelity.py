"""Does the supernet rank architectures as training from scratch does?

Grid      One search a seed, the same N random architectures trained from scratch, the all-parallel
          and all-fusion networks, and what the search found. Then every one of them is scored with the supernet's
          weights, batch norm's statistics taken anew (and as they were).
          quick: 6 random architectures; proxy: 20; paper: 10; `--random N`: N
Cost      `--dry-run` says what it takes on your machine.
Shows     Kendall's τ between one-shot and trained PSNR, with a bootstrap interval. The gap at argmax:
          the supernet at its own α, the network derived from it with the same weights, and that
          network trained.
Command   python studies/supernet_fidelity.py
          python studies/supernet_fidelity.py --preset proxy --data DIR --random 50 --seeds 3
Usually   --set lambda1=0,0.1   --random 50
"""

from analysis.rows.load import load_oneshot
from analysis.statistics.answers import fidelity_lines
from clearer.configuration import Configuration
from studies.driver.command_line import main
from studies.driver.study import Findings, Study
from studies.store.store import Store
from studies.work.jobs import OneShot


def scored(findings: Findings) -> list[Configuration]:
    """No further trials: has the trained architectures scored with the weights of each search, seed by seed."""
    rows, found = findings.rows, findings.found
    jobs = []
    for c in findings.trials:
        if c.kind == "searched" and c.trial_id in found:
            same_space = rows["columns"] == rows.set_index("trial_id")["columns"][c.trial_id]
            architectures = tuple(sorted(rows[same_space & (rows["seed"] == c.seed)]["architecture"].unique()))
            (trial,) = findings.pixels.trials([c])
            jobs.append(OneShot(trial.oneshot_key(architectures), c, trial.data, architectures))
    findings.compute("one-shot scores", jobs)
    for job in jobs:
        write_oneshot(findings.store, job)
    return []


def write_oneshot(store: Store, job: OneShot) -> None:
    """Puts finished scores beside the study's rows, for `analysis.load_oneshot`: one row an architecture."""
    c, result = job.configuration, store.result(job.stage, job.key)
    if result is not None:
        about = {name: getattr(c, name) for name in ("seed", "lambda1", "lambda2")} | {
            "search_trial_id": c.trial_id,
            "argmax": result["architecture"],
            "supernet_psnr_db": result["supernet_psnr_db"],
            "device": result["device"],
        }
        rows = [{**about, **scores} for scores in result["scores"]]
        store.write_rows(f"studies/supernet_fidelity/oneshot/{c.trial_id}.parquet", rows)


STUDY = Study(
    name="supernet_fidelity",
    random={"quick": 6, "proxy": 20, "paper": 10},
    follow=scored,
    answer=lambda findings: fidelity_lines(findings.rows, load_oneshot(findings.store.storage, findings.study)),
)

if __name__ == "__main__":
    raise SystemExit(main(STUDY, __doc__))
