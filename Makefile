# Every command a user or a reviewer runs. `make up` and `make test` need Python 3.11 or later with venv, nothing else.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: up test chaos lives check format lint types imports length bench lock clean

# Rebuilt when the pinned packages change.
.venv: requirements-dev.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch .venv

up: .venv
	$(BIN)/order-engine up

# In several processes (tests/sharing.py). Compiled files are kept, whatever the environment says: each process and each
# program that the tests start would compile everything again.
test: .venv
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses auto

# Ten thousand simulated lives of an order; SEED=n for others.
lives: .venv
	$(BIN)/python -m tests.simulation --lives 10000 --seed $(or $(SEED),1) --processes 2

check: format lint types imports length test

format: .venv
	$(BIN)/ruff format --check .

lint: .venv
	$(BIN)/ruff check .

types: .venv
	$(BIN)/mypy

imports: .venv
	$(BIN)/lint-imports

length: .venv
	$(BIN)/python -m pytest -q tests/architecture

bench: .venv
	$(BIN)/order-engine bench orders

# Kill and freeze everything, at random and at crash points, under a thousand orders for each seed; audit from the chain.
SEEDS ?= 1
chaos: .venv
	$(BIN)/python -m tests.chaos --seeds $(SEEDS) $(CHAOS)

# For maintainers, after a change of the dependencies. No index address is written into the files.
lock: .venv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --extra dev pyproject.toml -o requirements-dev.lock

clean:
	rm -rf .venv .order-engine
