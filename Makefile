# `make run` on a fresh machine needs a Python of at least 3.11 and make, nothing else; `make test` also a Chromium and a
# Java, which it installs where it may (Debian, root).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
AS_OF := 2026-03-02T06:00:00Z
export AGENTMART_HOME ?= $(CURDIR)/data

# Workers of pytest; the four fast lints run beside each other.
WORKERS ?= auto
TOGETHER := -j4 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) --no-print-directory

# Debian's own interpreter starts twice as fast as one built without optimisation, and every dbt or Dagster
# command pays for the start; so it comes first. PYTHON=... overrides.
PYTHON ?= $(firstword $(foreach name,/usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))

.PHONY: help
help:
	@echo 'make run    generate sample extracts, then run the whole pipeline on them'
	@echo 'make test   everything: check, and the integration, contract and end-to-end tests'
	@echo 'make check  the fast half: format, lint, types, SQL, YAML, conventions, unit tests'
	@echo 'make ducklake  set up the target ducklake: open the catalog in AGENTMART_DUCKLAKE_CATALOG, or make it'
	@echo 'make spark  set up the target spark: its environment, and whether the cluster in SPARK_REMOTE can be used'
	@echo 'make soak   the long forms of the random tests: deliveries, kills, noise, leaks (hours)'
	@echo 'make bench  ingestion and the whole job beside other tools, false alarms, the speed of reports and of each engine, into tests/benchmarks/RESULTS.md (EVENTS=10000000 REPEATS=3)'
	@echo 'make clean  remove the environment and caches; data/ stays'

.PHONY: run
run: $(VENV)/.installed
	@started=$$SECONDS; \
	if [ ! -d "$$AGENTMART_HOME/landing" ]; then $(BIN)/agentmart generate --out "$$AGENTMART_HOME/landing"; fi; \
	$(BIN)/agentmart run --as-of $(AS_OF); \
	echo "make run: $$((SECONDS - started)) s"

# The environment holds the extensions of DuckDB already; this opens the catalog that the settings name.
.PHONY: ducklake
ducklake: $(VENV)/.installed
	@$(BIN)/python -m orchestration.warehouse.ducklake

# Spark and dbt's adapter for it are 600 MB that the default engine needs nothing of, so they are never part of the
# product's environment or of its lock.
SPARK_VENV := .venv-spark

.PHONY: spark
spark: $(SPARK_VENV)/.installed
	@$(BIN)/python -m orchestration.warehouse.spark

$(SPARK_VENV)/.installed: dbt_project/environments/spark.lock $(VENV)/.installed
	@$(BIN)/uv venv --quiet --clear --python "$(PYTHON)" $(SPARK_VENV)
	@$(BIN)/uv pip sync --quiet --python $(SPARK_VENV)/bin/python --require-hashes $<
	@touch $@

.PHONY: test
test: $(VENV)/.installed $(SPARK_VENV)/.installed browser java
	@started=$$SECONDS; \
	$(MAKE) $(TOGETHER) lint-python lint-types lint-sql lint-yaml; \
	$(BIN)/pytest -n $(WORKERS) --dist loadfile tests; \
	echo "make test: $$((SECONDS - started)) s"

# Tests look at Dagster's page in a browser; the package that drives one brings none.
.PHONY: browser
browser:
	@for name in "$${AGENTMART_TEST_BROWSER:-}" chromium chromium-browser google-chrome google-chrome-stable; do \
		! command -v "$$name" >/dev/null 2>&1 || exit 0; \
	done; \
	{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null; } || { \
		echo 'The tests of pages need a Chromium; install one, or name it: AGENTMART_TEST_BROWSER=/path/to/it' >&2; exit 2; \
	}; \
	apt-get -qq update; \
	DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium >/dev/null

# The cluster that tests start is of this machine; the one of a deployment brings its own.
.PHONY: java
java:
	@! command -v java >/dev/null 2>&1 && test -z "$${JAVA_HOME:-}" || exit 0; \
	{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null; } || { \
		echo 'The tests of the target spark need a Java 17 or 21; install one, or name it: JAVA_HOME=/path/to/it' >&2; exit 2; \
	}; \
	apt-get -qq update; \
	for version in 17 21; do \
		! DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "openjdk-$$version-jre-headless" >/dev/null \
			|| exit 0; \
	done; \
	exit 2

.PHONY: check
check: $(VENV)/.installed
	@started=$$SECONDS; \
	$(MAKE) $(TOGETHER) lint-python lint-types lint-sql lint-yaml test-fast; \
	echo "make check: $$((SECONDS - started)) s"

# Figures (trials, kills, rows) are in the report.
.PHONY: soak
soak: $(VENV)/.installed $(SPARK_VENV)/.installed java
	@started=$$SECONDS; \
	$(BIN)/pytest -q -n 3 --dist worksteal --junitxml soak.xml -o junit_family=xunit1 tests/soak/*.py; \
	echo "make soak: $$((SECONDS - started)) s"

.PHONY: lint-python lint-types lint-sql lint-yaml test-fast
lint-python:
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .

lint-types:
	@$(BIN)/mypy

# A mart over windows is one call of a macro (tests/conventions hold that): no SQL of its own to lint, and
# parsing what the macro renders to takes 6 s a model. Only models changed since the last clean lint are read, and
# a small one when a macro did: one macro that the linter cannot read fails every model.
SQL_MACROS := $(shell find dbt_project/macros -name '*.sql')
SQL_MODELS := $(shell grep -rL mart_over_windows --include='*.sql' dbt_project/models)

lint-sql: $(VENV)/.sql-linted
$(VENV)/.sql-linted: $(SQL_MODELS) $(SQL_MACROS) .sqlfluff
	@$(BIN)/sqlfluff lint --processes 3 --disable-progress-bar \
		$(if $(filter .sqlfluff,$?),$(SQL_MODELS),$(or $(filter $(SQL_MODELS),$?),dbt_project/models/core/fct_feedback.sql))
	@touch $@

# yamllint reads a file in Python: 9 s of the processor for all of them.
YAML_FILES := $(shell find . -name '*.y*ml' -not -path './.venv*' -not -path './data/*' -not -path './dbt_project/target/*')

lint-yaml: $(VENV)/.yaml-linted
$(VENV)/.yaml-linted: $(YAML_FILES) .yamllint
	@$(BIN)/yamllint --strict $(if $(filter .yamllint,$?),.,$?)
	@touch $@

test-fast:
	@$(BIN)/pytest -q -n 4 --dist loadfile tests/conventions tests/unit

# The other tools are never part of the product's environment or of its lock.
BENCH_VENV := $(VENV)/bench
EVENTS ?= 10000000
REPEATS ?= 3

.PHONY: bench
bench: $(VENV)/.installed $(BENCH_VENV)/.installed $(SPARK_VENV)/.installed java
	$(BIN)/python -m tests.benchmarks.ingest.measure --events $(EVENTS) --repeats $(REPEATS) --date "$$(date +%F)"
	$(BIN)/python -m tests.benchmarks.whole_job.measure --events $(EVENTS) --repeats $(REPEATS) --date "$$(date +%F)"
	$(BIN)/python -m tests.benchmarks.anomalies.measure --date "$$(date +%F)"
	$(BIN)/python -m tests.benchmarks.reports.measure --repeats $(REPEATS) --date "$$(date +%F)"
	$(BIN)/python -m tests.benchmarks.growth.measure --repeats $(REPEATS) --date "$$(date +%F)"
	$(BIN)/python -m tests.benchmarks.engines.measure --repeats $(REPEATS) --date "$$(date +%F)"

$(BENCH_VENV)/.installed: tests/benchmarks/requirements.lock
	$(BIN)/uv venv --quiet --clear --python "$(PYTHON)" $(BENCH_VENV)
	$(BIN)/uv pip sync --quiet --python $(BENCH_VENV)/bin/python --require-hashes tests/benchmarks/requirements.lock
	@touch $@

.PHONY: clean
clean:
	rm -rf $(VENV) $(SPARK_VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis soak.xml dbt_project/target dbt_project/logs

# The last step parses the dbt project, which the first run would otherwise wait 10 s for.
# uv builds the environment in seconds where pip takes minutes. It is itself installed from the lock, checked by
# its hash, into an environment of its own that is thrown away. An interpreter may come without ensurepip
# (Debian leaves it to python3-venv), so any other one may serve for this step.
$(VENV)/.installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo 'No Python of at least 3.11 found; install one, or name it: make PYTHON=/path/to/python' >&2; exit 2; }
	@started=$$SECONDS; \
	bootstrap=$$(mktemp -d); trap 'rm -rf "$$bootstrap"' EXIT; \
	for python in "$(PYTHON)" python3 python3.14 python3.13 python3.12 python3.11; do \
		rm -rf "$$bootstrap/venv"; \
		"$$python" -m venv "$$bootstrap/venv" >/dev/null 2>&1 && break; \
	done; \
	test -x "$$bootstrap/venv/bin/pip" || { echo 'No Python here can make an environment; install python3-venv' >&2; exit 2; }; \
	awk '/^uv==/ { wanted = 1; print; next } wanted && /^ / { print; next } { wanted = 0 }' requirements.lock > "$$bootstrap/uv.txt"; \
	"$$bootstrap/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$$bootstrap/uv.txt"; \
	uv="$$bootstrap/venv/bin/uv"; \
	"$$uv" venv --quiet --clear --python "$(PYTHON)" $(VENV); \
	"$$uv" pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock; \
	"$$uv" pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --no-index --editable .; \
	$(BIN)/python -m orchestration.warehouse.manifest; \
	touch $@; \
	echo "environment: $$((SECONDS - started)) s"
