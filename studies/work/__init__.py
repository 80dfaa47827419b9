"""What is computed, wherever it runs: jobs, and the stages that they leave in the store."""
