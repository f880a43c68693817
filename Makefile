# The one door to Deston's chores. `make help` lists them; what is longer than a line stands in scripts/.

.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN_DIR ?= run

PREFIX ?= /opt/deston
SYSCONFDIR ?= /etc
UNITDIR ?= /etc/systemd/system
DESTDIR ?=
HOST ?=
DRY_RUN ?=

QUICK ?=
WORKLOADS ?=
PEERS ?=
ROUNDS ?=
SECONDS ?=
DOCS ?=

MINUTES ?= 10
SEED ?=

# Each module of tests runs in one of a few processes; `ARGS="-n 0"` runs all in one.
# One that crashes ends the run: the others would wait for its share for ever.
SIDE_BY_SIDE = -n auto --maxprocesses 4 --dist loadscope --max-worker-restart 0

COMPILED := build/compiled
COMPILED_TESTS = $(addprefix tests/,contract/test_calls.py contract/test_wsgi_servers.py unit/l4 unit/l7 unit/net \
    $(patsubst %,integration/test_%.py,framing l7_tls semantics streaming tls websocket))

INSTALL_SETTINGS = PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' UNITDIR='$(UNITDIR)'

BENCH_OPTIONS = $(if $(QUICK),--quick) $(if $(DOCS),--docs) $(if $(ROUNDS),--rounds $(ROUNDS)) \
    $(if $(SECONDS),--seconds $(SECONDS)) --workloads '$(WORKLOADS)' --peers '$(PEERS)'

.PHONY: help run test test-compiled check compiled coverage lint type fmt docs venv bench bench-deps soak install uninstall deploy reload status clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-13s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/.installed ## two demo servers, L4 on :8000, L7 on :8080, the dashboard on :9900, until Ctrl-C
	@exec $(BIN)/python -m scripts.run

test: $(VENV)/.installed-dev ## every test, in random order
	@$(BIN)/pytest $(SIDE_BY_SIDE) $(ARGS)

check: $(VENV)/.installed-dev ## what CI runs: lint, types, every test, and those of what is compiled
	@$(MAKE) --no-print-directory --jobs 2 lint type compiled
	@$(MAKE) --no-print-directory test test-compiled

compiled: $(COMPILED)/.built ## Deston compiled, in build/compiled, as pip installs it where a C compiler is

test-compiled: $(COMPILED)/.built ## the tests of what is compiled, and of what it carries, against that
	@scripts/test_compiled '$(CURDIR)/$(BIN)/pytest' '$(COMPILED)' $(SIDE_BY_SIDE) $(COMPILED_TESTS) $(ARGS)

coverage: $(VENV)/.installed-dev ## every test, and which lines none of them runs; takes half as long again
	@$(BIN)/pytest $(SIDE_BY_SIDE) --cov $(ARGS)

lint: $(VENV)/.installed-dev ## style and formatting, changing nothing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

type: $(VENV)/.installed-dev ## types, strictly
	@$(BIN)/mypy

fmt: $(VENV)/.installed-dev ## mend what lint can mend by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(VENV)/.installed ## write the configuration reference from its schema
	@$(BIN)/python scripts/configuration_reference.py

venv: $(VENV)/.installed-dev ## the virtual environment, with all that tests need

bench: $(COMPILED)/.built ## Deston, compiled, beside other balancers: QUICK=1 WORKLOADS=1,6 PEERS=nginx DOCS=1
	@PYTHONPATH='$(CURDIR)/$(COMPILED)' exec $(BIN)/python -m scripts.bench.run $(BENCH_OPTIONS)

bench-deps: ## what make bench compares with: Debian's packages, and .bench-venv
	@scripts/bench/deps '$(PYTHON)' .bench-venv

soak: $(VENV)/.installed-dev ## random faults under load, and what clients see of them: MINUTES=10 SEED=1
	@exec $(BIN)/python -m scripts.soak.run --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

install: ## put Deston in PREFIX, with its configuration and systemd units
	@$(INSTALL_SETTINGS) DESTDIR='$(DESTDIR)' PYTHON='$(PYTHON)' scripts/install

uninstall: ## take away what install put; an edited configuration stays
	@$(INSTALL_SETTINGS) DESTDIR='$(DESTDIR)' scripts/uninstall

deploy: ## install on another machine: HOST=user@host, DRY_RUN=1 to see how
	@$(INSTALL_SETTINGS) HOST='$(HOST)' DRY_RUN='$(DRY_RUN)' PYTHON='$(PYTHON)' scripts/deploy

reload: ## have the running processes read their configuration again
	@RUN_DIR='$(RUN_DIR)' scripts/reload

status: ## what runs, since when, with which workers; exit status 3 if nothing
	@RUN_DIR='$(RUN_DIR)' scripts/status

clean: ## remove the environment, caches and what was built
	@scripts/clean '$(VENV)'

$(COMPILED)/.built: setup.py pyproject.toml $(shell find deston -type f -not -name '*.pyc' -not -name '*.so') \
    $(VENV)/.installed-dev
	@scripts/compiled '$(BIN)/python' '$(COMPILED)'
	@touch $@

$(VENV)/.installed: setup.py pyproject.toml
	@scripts/venv '$(PYTHON)' '$(VENV)' '' --editable .
	@touch $@

$(VENV)/.installed-dev: setup.py pyproject.toml
	@scripts/venv '$(PYTHON)' '$(VENV)' dev --editable .
	@touch $@ $(VENV)/.installed
