"""Where results lie, and how many small files are read fast."""
