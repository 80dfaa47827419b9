"""The names of before, until what is outside this package follows."""

from analysis.figures.uncertain_fronts import draw_attainment as draw_attainment
from analysis.figures.uncertain_fronts import draw_probability_front as draw_probability_front
