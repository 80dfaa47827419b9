"""The report: one page, with the tables and figures that it is made of."""
