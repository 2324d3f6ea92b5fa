PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test lint bench measured clean

demo: $(INSTALLED)
	$(BIN)/evo-bnas run digits

# One thread a worker: two workers that each took all cores would slow each other down.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --durations=20

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# On a machine without other work: it measures times.
bench: $(INSTALLED)
	$(BIN)/python -m analysis timing

# Measures nothing.
measured: $(INSTALLED)
	$(BIN)/python -m analysis render

# The build backend is installed first and used as it is, so that it is pinned like everything else.
$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --constraint constraints.txt hatchling
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable . --group dev
	touch $@

clean:
	rm -rf dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find evo_bnas analysis tests -name __pycache__ -type d -prune -exec rm -rf {} +
