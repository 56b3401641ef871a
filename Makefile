# What people and CI share. The first target that needs it makes the environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test slow check bench gallery reference docs notebook clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	touch $(READY)

demo: $(READY)  ## play a drift, a wait for labels, and the retrainings, on MLflow
	@if $(BIN)/retrainlab data describe > /dev/null 2>&1; then population=telco; \
	else population=twin; fi; \
	echo "population: $$population"; \
	$(BIN)/retrainlab run competitor --policy "f1_drop > 0.05" --population $$population --seed 1

test: $(READY)  ## the tests, in minutes
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

slow: $(READY)  ## the tests that take long: killed runs, a server, statistics; MINUTES=60 skips what begins later
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow --minutes $(or $(MINUTES),0)

check: $(READY)  ## format, lint, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	MYPYPATH=tests $(BIN)/mypy $(wildcard benchmarks/*.py)
	MYPYPATH=tests $(BIN)/mypy $(filter-out tests/test_%,$(wildcard tests/*.py))
	MYPYPATH=tests $(BIN)/mypy tests/reports/conftest.py
	$(BIN)/lint-imports

bench: $(READY)  ## speeds, as ratios in one run
	$(BIN)/python -m pytest benchmarks --benchmark-only -p no:xdist -o filterwarnings=

gallery: $(READY)  ## draw reports/gallery/ again from the real table, in minutes
	$(BIN)/python examples/make_gallery.py

reference: $(READY)  ## write the pages of docs/ that are made from the code again
	$(BIN)/python examples/make_reference.py

docs: $(READY)  ## build the documentation into build/site, without network; warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

notebook: $(READY)  ## write examples/choose_a_trigger.ipynb again from its script
	$(BIN)/python examples/make_notebook.py

clean:
	rm -rf $(VENV) runs build *.egg-info
