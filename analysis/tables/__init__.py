"""Tables for papers: numbers in full, and typeset."""
