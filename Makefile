# Two commands do everything: `make app` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: app test fast check screenshots clean

app: .venv/app.stamp
	$(BIN)/python -m cifake_core serve

test: .venv/test.stamp check
	$(BIN)/python -m pytest

# The quick half of the tests, for while you work.
fast: .venv/test.stamp check
	$(BIN)/python -m pytest -m "not slow and not data and not browser"

check: .venv/test.stamp
	$(BIN)/ruff check .

screenshots: .venv/test.stamp
	$(BIN)/python benchmarks/screenshots.py

.venv/app.stamp: requirements.txt
	@echo "Setting up .venv: about 6 GB, some minutes the first time, seconds after."
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

.venv/test.stamp: requirements-test.txt .venv/app.stamp
	$(BIN)/python -m pip install --quiet -r requirements-test.txt
	touch $@

clean:
	rm -rf .venv
