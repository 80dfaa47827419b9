"""The names of before, until what is outside this package follows."""

from analysis.figures.alpha import draw_final_alpha as draw_final_alpha
from analysis.figures.alpha import draw_gaps as draw_gaps
from analysis.figures.alpha import draw_trajectories as draw_trajectories
