"""Results of studies, on a laptop: needs neither torch nor Ray, only the files that a study wrote."""

from analysis.pareto import pareto_front
from analysis.results import load, load_curves, load_references, load_timings

__all__ = ["load", "load_curves", "load_references", "load_timings", "pareto_front"]
