# Two commands do everything: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The tests make hundreds of databases and throw them away: in memory, where there is room for them.
ROOM := $(shell df --output=avail -m /dev/shm 2>/dev/null | tail -1 | awk '$$1 > 4000 {print "/dev/shm"}')
test long faults spark celery: export TMPDIR := $(or $(TMPDIR),$(ROOM),/tmp)

.DEFAULT_GOAL := help
.PHONY: help setup demo test long faults spark spark-bench spark-installed celery wwi airflow lint bench screenshots lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

setup: $(STAMP) ## install everything into .venv

$(STAMP): requirements.lock pyproject.toml tools/setup.sh
	@PYTHON=$(PYTHON) tools/setup.sh $(VENV)
	@touch $@

demo: setup ## run the whole job on a generated company; everything lands in .demo/
	@$(BIN)/tiering demo

test: setup ## run every test on DuckDB and on a PostgreSQL of their own, mails in a browser
	@tools/postgres.sh
	@tools/chromium.sh
	@$(BIN)/ruff check .
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=15

long: setup ## run the tests that make test leaves out: the second engine's turn at the longest ones
	@tools/postgres.sh
	@$(BIN)/python -m pytest -n 2 -m long

faults: setup ## inject every fault into every step; make test injects a part of them
	@tools/postgres.sh
	@FAULTS=all $(BIN)/python -m pytest -n 2 --dist worksteal tests/test_faults.py --durations=10

spark: spark-installed ## install Spark into .venv beside the rest, and run the tests that need it
	@$(BIN)/python -m pytest tests/test_spark.py tests/test_spark_dag.py --durations=5

spark-bench: spark-installed ## speed of Spark on two cores against one, on the whole workload
	@$(BIN)/python benchmarks/spark.py --memory 8g

spark-installed: setup ## install Spark into .venv beside the rest, and nothing else
	@tools/java.sh
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install -q --require-hashes --no-deps -r requirements-spark.lock

celery: setup ## run the job on two Celery workers with Redis, and compare with the same steps in one process
	@tools/postgres.sh
	@tools/celery.sh
	@.bench/celery/bin/python -m tests.celery_run

wwi: setup ## run the whole job on Wide World Importers (needs ../shared/data/wwi_slice) and print what it found
	@$(BIN)/python tests/wwi.py

airflow: setup ## start Airflow on loopback with the demo's connections; Ctrl-C stops it
	@tools/airflow.sh

lint: setup ## ruff and mypy on the code, tiering lint on the policies
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/tiering lint policies

bench: setup ## speed, as ratios taken in one run
	@tools/postgres.sh
	@tools/competitors.sh
	@$(BIN)/python benchmarks/everything.py

screenshots: setup ## take the pictures of the README again, from the demo's mails (runs the demo where there is none)
	@tools/chromium.sh
	@[ -d .demo/mail ] || $(BIN)/tiering demo
	@$(BIN)/python tools/screenshots.py

lock: ## resolve the dependencies again into requirements.lock, and what Spark and Celery add into locks of their own
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header -q -o requirements.lock
	@for extra in spark celery; do \
	  $(BIN)/uv pip compile pyproject.toml --group dev --extra $$extra -c requirements.lock --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -q \
	  | awk 'NR==FNR {known[$$1]; next} /^[a-z0-9]/ {on = !($$1 in known) && !/sys_platform == .none./} on' \
	    requirements.lock - > requirements-$$extra.lock; \
	done

clean: ## remove what the targets made
	rm -rf .venv .demo .airflow .bench .pytest_cache .ruff_cache .mypy_cache .hypothesis
