# What `analysis` offers; `__init__.py` loads each when it is first asked for.

from .predictions.polarisation import alpha_gaps, decided_by, fixed_point, threshold, trajectories
from .predictions.space import cost_distribution, space, space_counts, standing
from .predictions.testing_time import TimeModel, time_model
from .rows.load import load, load_curves, load_oneshot, load_references, load_timings
from .statistics.against_random import search_against_random
from .statistics.consensus import column_agreement, seed_agreement
from .statistics.effects import effects
from .statistics.health import Finding, health
from .statistics.paired import comparisons, paired_difference
from .statistics.pareto import attainment, hypervolume, hypervolume_contributions, knee, pareto_front, pareto_ranks
from .statistics.uncertainty import front_probability, hypervolume_interval
from .study_results import Results, image_scores

__all__ = [
    "Finding",
    "Results",
    "TimeModel",
    "alpha_gaps",
    "attainment",
    "column_agreement",
    "comparisons",
    "cost_distribution",
    "decided_by",
    "effects",
    "fixed_point",
    "front_probability",
    "health",
    "hypervolume",
    "hypervolume_contributions",
    "hypervolume_interval",
    "image_scores",
    "knee",
    "load",
    "load_curves",
    "load_oneshot",
    "load_references",
    "load_timings",
    "paired_difference",
    "pareto_front",
    "pareto_ranks",
    "search_against_random",
    "seed_agreement",
    "space",
    "space_counts",
    "standing",
    "threshold",
    "time_model",
    "trajectories",
]
