"""Images: which files there are, decoded, compared, and listed."""
