# Everything starts from here: `make run` for the app, `make test` for the whole suite.
SHELL := bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKSPACE ?= workspace
export KD_WORKSPACE := $(abspath $(WORKSPACE))
unexport PYTHONDONTWRITEBYTECODE  # pytest keeps the tests that it has rewritten: ten seconds of `make check`

# `make check` is what to run before a commit: a minute; `make test` has all but the long ones.
# `make coverage` counts what the tests reach.
.PHONY: run setup test test-long test-kills coverage lint check fmt demo shots types clean-venv

run: setup
	@$(BIN)/kd ui --sample

setup: $(VENV)/.installed
	@$(BIN)/python -m kdcore.workers.fetch --workspace "$(KD_WORKSPACE)"

# Installs once; again when the dependencies change.
$(VENV)/.installed: pyproject.toml tools/install.sh kdcore/install.py
	@PYTHON=$(PYTHON) VENV=$(VENV) bash tools/install.sh
	@touch $@

test: setup
	@VENV=$(VENV) bash tools/test.sh

# Rounds, own answers by vLLM, a second policy, each guard taken out, hundreds of damages and edits: before a release, or where their code changes.
test-long: setup
	@$(BIN)/python -m pytest tests -m long
	@KD_SEEDS=100 KD_EDITS=600 $(BIN)/python -m pytest -n 2 tests/services/test_workspace.py tests/services/test_backup.py tests/services/review

# Training killed 25 times, between steps and while saving; a few minutes.
test-kills: setup
	@KD_KILLS=25 $(BIN)/python -m pytest tests/workers/test_distill_kills.py -s -k killed_and_paused

# Lines of kdcore that the tests reach, workers included; with the models it takes twice as long as `make test`.
coverage: setup
	@rm -f .coverage*; OMP_NUM_THREADS=1 $(BIN)/python -m coverage run -m pytest tests --ignore=tests/e2e -m "not long" ; \
	$(BIN)/python -m coverage combine -q; $(BIN)/python -m coverage report --skip-covered --fail-under=85

lint: $(VENV)/.installed
	@$(BIN)/ruff check . && $(BIN)/ruff format --check -q .
	@$(BIN)/pyright --pythonpath $(BIN)/python

# Lint and types beside the tests: each takes one core for most of a minute.
check: $(VENV)/.installed
	@$(MAKE) -s lint >lint.log 2>&1 & lint=$$!; \
	KD_EDITS=6 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal tests --ignore=tests/e2e --ignore=tests/workers --ignore=tests/pages --ignore=tests/bench --ignore=tests/test_import_weight.py -m "not models and not long and not processes and not whole"; \
	tests=$$?; wait $$lint || { cat lint.log; exit 1; }; exit $$tests

fmt: $(VENV)/.installed
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

demo: setup
	@$(BIN)/kd demo --rows 24

shots: setup
	@$(BIN)/python -m tests.e2e.shots "$(KD_WORKSPACE)"

# make bench-generate, bench-embed, bench-start, bench-train, bench-gpu, bench-neardup: one line of JSON each
bench-%: setup
	@$(BIN)/python -m tests.bench.$*
