# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which λ1 and λ2 give the best PSNR for the parameters?
#
# Reads a finished study, `python studies/lambda_pareto.py`, from the folder `runs` or from the one
# that the environment variable `CLEARER_STORAGE` names; an address such as `s3://bucket/prefix`
# works, too. Needs neither torch nor Ray.

# %%
import os

import numpy as np
import pandas as pd

import analysis
from analysis.figures.pareto import draw_pareto
from analysis.predictions.space import space, standing

results = analysis.Results(os.environ.get("CLEARER_STORAGE", "../../runs"), "lambda_pareto")
results.about.get("question")

# %% [markdown]
# Rows of one protocol compare; a study may hold several. Failed trials have a row, too, with the
# reason.

# %%
for caption, rows in results.groups:
    print(caption, f"{len(rows)} rows", sep="\n")
caption, rows = results.groups[0]
results.frame["status"].value_counts()

# %% [markdown]
# ## Is the study sound?
#
# What is wrong with it, the gravest first; an empty table where nothing was found.

# %%
pd.DataFrame(results.health, columns=["fault", "text", "mend"])

# %% [markdown]
# ## The front
#
# Every point is a configuration: the mean over its seeds, with a bar from the smallest to the
# largest PSNR.

# %%
draw_pareto(rows, "parameters", caption)

# %%
trade = {"minimise": ["parameters"], "maximise": ["psnr_db"]}
analysis.pareto_front(rows, **trade)[["kind", "lambda1", "lambda2", "seed", "architecture", "parameters", "psnr_db"]]

# %% [markdown]
# ## How sure is it?
#
# The probability that a configuration is on the front of all configurations' true means, given how
# seeds and test images vary. With one seed there is none.

# %%
generator = np.random.default_rng(0)
chances = analysis.front_probability(rows, generator, **trade)
names = rows.groupby("replicate_id")[["kind", "lambda1", "lambda2"]].first()
chances.join(names, on="replicate_id").sort_values("probability", ascending=False)

# %% [markdown]
# The hypervolume against a stated reference point: the largest network of the space, and the
# degraded input's PSNR.

# %%
reference = {"parameters": float(rows["parameters"].max()) + 1, "psnr_db": float(rows["degraded_psnr_db"].mean())}
analysis.hypervolume_interval(rows, reference, generator, **trade)

# %% [markdown]
# ## The whole space
#
# Where do the networks lie that the search found, among all architectures? The mean percentile of a
# random draw is 50.

# %%
first = rows.iloc[0]
whole = space(first["columns"], int(first["channels"]), int(first["image_channels"]))
standing(rows, whole)
