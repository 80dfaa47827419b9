# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What does each setting do, and how sure is it?
#
# Reads a finished study from the folder `runs`, or from the one that the environment variable
# `CLEARER_STORAGE` names. The axes are λ1 and λ2 here; those of any other study work alike.

# %%
import os

import numpy as np

import analysis

results = analysis.Results(os.environ.get("CLEARER_STORAGE", "../../runs"), "lambda_pareto")
caption, rows = results.groups[0]
searched = rows[rows["kind"] == "searched"]
axes = [name for name in results.axes if searched[name].nunique() > 1]
print(caption)
axes

# %% [markdown]
# ## One value against another
#
# Trials that differ in λ alone see the same crops in the same order: their difference is paired by
# seed, and its interval is over seeds.

# %%
axis, others = axes[0], axes[1:]
values = sorted(searched[axis].unique())
gain = analysis.paired_difference(searched, axis, values[-1], values[0], within=others)
gain

# %% [markdown]
# ## All values, with a correction for their number

# %%
generator = np.random.default_rng(0)
analysis.comparisons(searched, axis, generator, within=others)

# %% [markdown]
# ## Which axis matters
#
# Shares of the variance of PSNR, seeds as blocks.

# %%
analysis.effects(searched, axes)

# %%
analysis.main_effects(searched, axes)

# %% [markdown]
# ## Image by image
#
# PSNR of every run on every test image, as an array of runs × images.

# %%
scores = results.image_scores()
scores.shape

# %%
scores.std(axis=1).rename("standard deviation over images (dB)").describe()
