"""What is missing of a study, how it is packed, and what it costs."""
