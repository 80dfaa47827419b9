"""All that knows MLflow: what its runs hold, and how they get there."""
