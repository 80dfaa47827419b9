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
# # Is the search better than luck, and does the supernet know?
#
# Reads finished studies from the folder `runs`, or from the one that the environment variable
# `CLEARER_STORAGE` names.

# %%
import os

import numpy as np

import analysis
from analysis.statistics.answers import fidelity, fidelity_lines, spread

storage = os.environ.get("CLEARER_STORAGE", "../../runs")
results = analysis.Results(storage, "lambda_pareto")
caption, rows = results.groups[0]
generator = np.random.default_rng(0)
print(caption)

# %% [markdown]
# ## Searched networks against random architectures
#
# Random architectures of the same space got the same training, with the same seeds. At equal cost,
# the seconds of the search train more of them instead.

# %%
table = analysis.search_against_random(rows, generator)
table.set_index(["lambda1", "lambda2"])[["seeds", "gain", "low", "high", "probability", "best_of", "equal_cost_gain"]]

# %% [markdown]
# ## How much is the luck of seeds?

# %%
spread(rows)

# %% [markdown]
# ## Do seeds find the same architecture?

# %%
analysis.seed_agreement(rows, generator)

# %% [markdown]
# ## Does the supernet rank architectures as training does?
#
# Of `python studies/supernet_fidelity.py`, where it was run: architectures scored with the weights
# of the search, beside the same ones trained.

# %%
oneshot = analysis.load_oneshot(storage)
trained = fidelity(analysis.load(storage), oneshot)
fidelity_lines(analysis.load(storage), oneshot) or "no one-shot scores: run studies/supernet_fidelity.py"

# %%
trained.head()
