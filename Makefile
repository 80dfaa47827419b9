# Everything below expects the virtual environment of the README's test command, with the extra `develop`.
python := .venv/bin/python

.PHONY: check test drills findings
check:      ## style and types
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy

test:       ## what must always pass; under ten minutes
	$(python) -m pytest

drills:     ## the long ones
	$(python) -m pytest -m drill -s

findings:   ## the pages of docs/findings/, from the rows in examples/
	$(python) -m docs.generate.findings
