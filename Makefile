# Every command of the README. A fresh machine needs python3 (3.11 or newer, with venv), make and git.
PYTHON ?= python3
BIN := .venv/bin
export UV_PYTHON_DOWNLOADS := never

.PHONY: setup demo serve check test bench mutants lock clean

setup: .venv/ready

.venv/ready: requirements-setup.txt requirements-test.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-setup.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements-test.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

demo: setup
	$(BIN)/handover demo

serve: setup
	$(BIN)/handover serve

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup
	$(BIN)/pytest -n 2 --dist loadgroup

bench: setup
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-bench.txt
	$(BIN)/python -m tests.bench

# Changes the gate, the encodings and the verifier in every small way, and names each change that no test notices.
mutants: setup
	nice -n 19 $(BIN)/python -m tests.mutation $(MODULES)

# Writes the lock files again from pyproject.toml. They name versions and hashes, never a host.
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header
lock: setup
	$(LOCK) pyproject.toml --output-file requirements.txt
	$(LOCK) pyproject.toml --extra test --output-file requirements-test.txt
	$(LOCK) pyproject.toml --extra test --extra bench --output-file requirements-bench.txt
	echo uv | $(LOCK) - --output-file requirements-setup.txt

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
