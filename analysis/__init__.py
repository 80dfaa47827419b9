"""Results of studies, on a laptop: needs neither torch nor Ray, only the files that a study wrote."""

from analysis.predictions.polarisation import alpha_gaps, decided_by, fixed_point, threshold, trajectories
from analysis.predictions.space import cost_distribution, space, space_counts, standing
from analysis.predictions.testing_time import TimeModel, time_model
from analysis.rows.load import load, load_curves, load_oneshot, load_references, load_timings
from analysis.statistics.against_random import search_against_random
from analysis.statistics.attainment import attainment
from analysis.statistics.consensus import column_agreement, seed_agreement
from analysis.statistics.effects import effects, main_effects
from analysis.statistics.health import Finding, health
from analysis.statistics.paired import comparisons, paired_difference
from analysis.statistics.pareto import hypervolume, hypervolume_contributions, knee, pareto_front, pareto_ranks
from analysis.statistics.uncertainty import front_probability, hypervolume_interval
from analysis.study_results import Results, image_scores

__all__ = ["Finding", "Results", "TimeModel", "alpha_gaps", "attainment", "column_agreement", "comparisons"]
__all__ += ["cost_distribution", "decided_by", "effects", "fixed_point", "front_probability", "health", "hypervolume"]
__all__ += ["hypervolume_contributions", "hypervolume_interval", "image_scores", "knee", "load", "load_curves"]
__all__ += ["load_oneshot", "load_references", "load_timings", "main_effects", "paired_difference", "pareto_front"]
__all__ += ["pareto_ranks", "search_against_random", "seed_agreement", "space", "space_counts", "standing", "threshold"]
__all__ += ["time_model", "trajectories"]
