"""Studies: one short file for each question, and the machinery that runs them on Ray and keeps their results."""
