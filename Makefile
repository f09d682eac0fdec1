# `make serve` and `make test` need x86-64 Linux with Python 3.11; the set-up says what else is missing.

# The first of these that runs (a version manager's shim may exist and still refuse to run).
PYTHON ?= $(shell for p in python3.11 python3; do $$p -c "" 2>/dev/null && echo $$p && break; done)
EXTRA ?= cpu
BIN := .venv/bin
BOOTSTRAP = $(or $(PYTHON),$(error Python 3.11 is not on PATH: install it, or make PYTHON=/path/to/python3.11)) \
	serve_app/setup/bootstrap.py --extra $(EXTRA)
IMAGE ?= warmline:$(EXTRA)
BUILDER ?= $(shell command -v podman || echo docker)
PYTEST := $(BIN)/python -m pytest
# A file's tests share fixtures, so that one process runs them. Integration tests start Ray and engines: one at a time.
PARALLEL := -n logical --maxprocesses 4 --dist loadfile

.PHONY: help setup serve test test-all bench bench-short soak simulate chaos cluster-check gpu image lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## .venv and the embedded models; serve, test and bench set up what they need
	@$(BOOTSTRAP)
	@$(BIN)/warmline setup

serve: ## the application, on http://127.0.0.1:8000 until Ctrl-C
	@$(BOOTSTRAP)
	@exec $(BIN)/warmline serve

test: ## all checks: style, types, architecture, unit, contract and integration tests
	@$(BOOTSTRAP) --test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(PYTEST) tests/unit tests/contract tests/simulation tests/chaos -m "not system" $(PARALLEL)
	$(PYTEST) tests/integration -m "not system"

# pytest exits with 5 if it finds no such test.
test-all: test ## all checks, and the tests that need Debian packages
	$(PYTEST) tests -m system || [ $$? -eq 5 ]

bench: ## all measurements on the real engine, half an hour; BENCH="--peer name=URL" adds a peer
	@$(BOOTSTRAP) --test
	$(BIN)/python -m tests.bench.run $(BENCH)

bench-short: ## the benchmark in about five minutes: fewer questions, fewer parts
	@$(BOOTSTRAP) --test
	$(BIN)/python -m tests.bench.run --short $(BENCH)

cluster-check: ## the application on hosts of a cluster on this machine, a quarter of an hour; needs root
	@$(BOOTSTRAP) --test
	$(BIN)/python -m tests.cluster.check $(CHECK)

soak: ## 64 clients for five minutes: errors, latency and memory
	@$(BOOTSTRAP) --test
	$(BIN)/python -m tests.bench.studies.soak $(BENCH)

gpu: ## checks and times of the engine on a GPU; BENCH=--cpu tries the same on a CPU
	@$(BOOTSTRAP) --test
	$(BIN)/python -m tests.gpu.run $(BENCH)

image: ## container image IMAGE, by BUILDER (podman or docker); EXTRA=gpu for GPUs, CLOUD as in cluster.yaml
	$(BUILDER) build --build-arg EXTRA=$(EXTRA) --build-arg CLOUD=$(CLOUD) --tag $(IMAGE) .
	$(BUILDER) run --rm $(IMAGE) warmline fast-path > /dev/null

simulate: ## 10,000 simulated hours of a cluster in virtual time, ten minutes on an idle core (HOURS=, SEED=)
	@$(BOOTSTRAP) --test
	$(BIN)/python -m tests.simulation --hours $(or $(HOURS),10000) --seed $(or $(SEED),1)

chaos: ## callers, killed processes and new deployments together for 30 minutes (MINUTES=)
	@$(BOOTSTRAP) --test
	$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),30)

lock: ## resolves the locks again from pyproject.toml
	@$(BOOTSTRAP) --test
	$(BIN)/python -m serve_app.setup.lock
	@$(BOOTSTRAP) --test

clean: ## removes .venv and caches; the state directory stays
	rm -rf .venv .venv.lock .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info
	find serve_app deployments tests -name __pycache__ -type d -prune -exec rm -rf {} +
