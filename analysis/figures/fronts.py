"""The names of before, until what is outside this package follows."""

from analysis.figures.alpha import draw_alpha as draw_alpha
from analysis.figures.pareto import draw_pareto as draw_pareto
