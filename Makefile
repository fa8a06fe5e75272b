# Everything a developer or CI does. Each target sets up what it needs; `make` alone lists them.
PYTHON  ?= python3
WORKERS ?= auto
ARGS    ?=
RULES_COVERAGE := 100

VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready
LOCK  := requirements/dev.lock
CODE  := firmware_app light_client meter_io testbed deploy tests hatch_build.py

.DEFAULT_GOAL := help
.PHONY: help demo test coverage test-slow test-armhf campaign-market fuzz-meters power-cuts test-boards bench check format lock setup clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  make test ARGS="tests/light_client -k merkle"   a part of the tests'

demo: $(READY) ## trade one day of a whole neighbourhood; the report lands in out/demo
	$(BIN)/gridlight-testbed run homes102 --out out/demo

RULES_TESTS := tests/light_client tests/property
QUICK = $(BIN)/python -m pytest -n $(WORKERS) -m 'not slow' --dist worksteal --timeout 180

test: $(READY) ## the tests; the shared rules must be covered to the last branch
ifeq ($(ARGS),)
	$(QUICK) $(RULES_TESTS) --cov=light_client/rules --cov-report=
	$(BIN)/coverage report --fail-under=$(RULES_COVERAGE) --skip-covered --show-missing
	$(QUICK) tests $(addprefix --ignore=,$(RULES_TESTS)) --durations=15
else
	$(BIN)/python -m pytest $(ARGS)
endif

coverage: $(READY) ## coverage of everything, by branches: takes three times as long as the tests alone
	$(QUICK) --cov --cov-report= $(ARGS)
	$(BIN)/coverage report --skip-covered

test-slow: $(READY) ## the tests that take long: whole devices, live grids, rollouts through a broker
	$(BIN)/python -m pytest -n $(WORKERS) -m slow --dist loadfile --durations=15 $(ARGS)

test-armhf: $(READY) ## the device on its board's processor, emulated: image, tests inside it, a fleet of containers
	PYTHON=$(BIN)/python deploy/armhf/run-tests $(ARGS)

campaign-market: $(READY) ## random markets by the thousand against the brute-force oracle
	$(BIN)/python -m tests.oracles.campaign $(ARGS)

fuzz-meters: $(READY) ## random bytes against every meter parser; goes on where the last run ended
	$(BIN)/python -m tests.fuzz.meters $(ARGS)

power-cuts: $(READY) ## cut the power at every write of the device's storage and reopen what is left
	$(BIN)/gridlight-testbed powercut $(ARGS)

test-boards: $(READY) ## start cards in QEMU: U-Boot, systemd, the meter read, resets, power cuts; wants root
	GRIDLIGHT_BOARDS=1 $(BIN)/python -m pytest -q tests/system/test_boards.py tests/system/test_updates.py \
	    tests/deploy/image/test_slot_choice.py $(ARGS)

bench: $(READY) ## measure what the design promises: proving, checking, consensus
	$(BIN)/gridlight-testbed bench $(ARGS)

check: $(READY) ## lint, format, types, architecture, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check . | tail -n 40; exit 1; }
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	$(BIN)/codespell

format: $(READY) ## put the code into form
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .

lock: ## choose the newest allowed releases anew and write their hashes
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/pip install --quiet pip-tools
	CUSTOM_COMPILE_COMMAND='make lock' $(VENV)/lock/bin/pip-compile --quiet --upgrade --generate-hashes \
	    --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
	    --annotation-style line --extra tier --extra testbed --extra dev --output-file $(LOCK) pyproject.toml

setup: $(READY) ## make the virtual environment in .venv, as every other target does by itself

$(READY): $(LOCK) pyproject.toml hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gridlight needs Python 3.11 or newer, got " + sys.version)'
	@echo 'Setting up $(VENV): locked releases with checked hashes (the first time takes a minute or two)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

clean: ## remove what was made here, the environment too
	rm -rf $(VENV) out build dist htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	    .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
