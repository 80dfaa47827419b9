"""Results of studies, on a laptop: needs neither torch nor Ray, only the files that a study wrote."""

from analysis.pareto import pareto_front
from analysis.results import load, load_curves

__all__ = ["load", "load_curves", "pareto_front"]
