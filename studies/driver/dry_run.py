"""What a study would run, what the store has of it, and what the rest would cost; computes a few steps as a probe."""

import functools
from collections.abc import Mapping, Sequence

from analysis.rows.units import duration
from clearer.configuration import Configuration
from clearer.machine import device_name
from studies.driver.session import Session
from studies.nodes.capacity import Request, this_machine
from studies.nodes.connection import ClusterError
from studies.planning.costs import Costs, Expected
from studies.planning.plan import ALONE, STAGES, Need
from studies.work.keys import Trial

_NAMES = dict(zip(STAGES, ("searches", "trainings", "tests", "testing times", "references"), strict=True))


def show(study: str, missing: Sequence[Trial], configurations: Sequence[Configuration], session: Session) -> None:
    """Prints what the trials that are missing of a study need, share and cost, of all that is planned.

    Raises ClusterError: no cluster answers, or it can never hold a trial; a line for each resource that is missing.
    """
    if not missing:
        return
    threads = max(trial.configuration.threads for trial in missing)
    slots = _slots(threads, missing, session)
    device = functools.cache(functools.partial(device_name, session.place.device))
    session.settle_packs(study, configurations)
    costs = session.costs(missing, configurations, device if session.is_local else None)
    for line in [*_stage_lines(costs.needs), *_cost_lines(costs, costs.outlook(session.packing), slots)]:
        session.console.print(line)


def _slots(threads: int, missing: Sequence[Trial], session: Session) -> int:
    """How many trials run at once; a Ray that would be started here is not, for what it would hold is known."""
    if not session.is_local:
        session.cluster.check_request(threads)
        return session.cluster.slots(threads)
    if problems := Request(threads, session.place.gpus).problems(this_machine(session.place.gpus > 0)):
        raise ClusterError("\n".join(problems))
    return session.slots_here([trial.configuration for trial in missing])


def _stage_lines(needs: Mapping[str, Need]) -> list[str]:
    found = []
    for stage, name in _NAMES.items():
        counted = needs[stage]
        if not counted.needed:
            continue
        bound = "at most " if stage in ("train", "test", "time") and needs["search"].missing else ""
        parts = [f"{bound}{len(counted.missing):,} to run", f"{len(counted.there):,} in the store"]
        if stage != "reference":
            parts.append(f"{counted.shared:,} trials share another's")
        found.append(f"{name:<15}{', '.join(parts)}")
    return found


def _cost_lines(costs: Costs, expected: Mapping[str, Expected], slots: int) -> list[str]:
    needs, gpus = costs.needs, costs.place.gpus
    each = {stage: [costs.of(stage, c) for c in needs[stage].missing.values()] for stage in _NAMES}
    seconds = {stage: expected[stage].jobs * expected[stage].seconds if each[stage] else 0.0 for stage in _NAMES}
    bases = {stage: "; ".join(dict.fromkeys(cost.basis for cost in each[stage])) for stage in _NAMES}
    is_measured = not any("probe" in bases[stage] for stage in ("search", "train"))
    at_once = {stage: 1 if stage == ALONE else min(slots, len(needs[stage].missing)) or 1 for stage in _NAMES}
    elapsed = sum(seconds[stage] / at_once[stage] for stage in _NAMES)
    parts = ", ".join(f"{_NAMES[stage]} {duration(seconds[stage])}" for stage in _NAMES if seconds[stage])
    total, in_slots = duration(sum(seconds.values())), f"{duration(elapsed)} with the {slots} slots of this cluster"
    found = [f"time           about {total} of one slot ({parts}), {in_slots}"]
    if gpus:
        hours = (seconds["search"] + seconds["train"] + seconds["test"]) * gpus / 3600
        known = f"about {hours:.3g}: {gpus:g} GPU × the time of searches, trainings and tests"
        unknown = "not known: no step was measured on a GPU, and the probe ran on the CPU of this machine"
        found.append(f"GPU-hours      {known if is_measured or costs.probe_device == 'cuda' else unknown}")
    found.append(f"disk           about {costs.needed_bytes(0) / 1e6:,.0f} MB")
    found += [f"basis          {_NAMES[stage]}: {basis}" for stage, basis in bases.items() if basis]
    return [*found, "not counted    what Ray takes to start and to place trials, checkpoints, the report"]
