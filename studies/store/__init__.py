"""What is kept: stages, rows, what a study is, and who computes what."""
