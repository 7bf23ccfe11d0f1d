# `make demo` and `make test` need no set-up: each makes .venv with the newest CPython that works here, installs the
# pinned dependencies, builds the extension, and then runs. Done steps leave a stamp and are not done again.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.NOTPARALLEL:
.DEFAULT_GOAL := help

VENV := .venv
OLDEST := .venv-oldest
ZARR2 := .venv-zarr2
BIN := $(VENV)/bin
WHEELS := build/wheels

# `make test CARGO_FLAGS=--locked` is what .ci/run asks for.
CARGO_FLAGS ?=
PYTEST_FLAGS ?=

# The tests run on the release build's dependencies (compiled once for both), with the checks of a debug build in the core.
CHECKED := --config 'profile.release.package.zarrpipe-core.overflow-checks=true' \
    --config 'profile.release.package.zarrpipe-core.debug-assertions=true'

PIP := -m pip --quiet --disable-pip-version-check --no-input
RUST_SOURCES := $(wildcard Cargo.toml Cargo.lock) $(shell find crates -name '*.rs' -o -name Cargo.toml)
PYTHON_SOURCES := $(shell find python -name '*.py' -o -name '*.pyi')

.PHONY: help env demo test test-rust test-smoke test-python lint format bench clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

env: $(VENV)/.stamp-extension ## the environment with the extension built into it

demo: env ## a real data set through several codec chains, with a table and a map
	@$(BIN)/python demo/run.py

test: test-rust test-smoke test-python ## all tests

test-rust: | $(VENV)/.stamp-host ## the core crate, without Python
	@mkdir -p build
	cargo test --release $(CHECKED) $(CARGO_FLAGS) -p zarrpipe-core 2>&1 | tee build/test-rust.log
	@tools/check-cargo-test build/test-rust.log

test-python: env $(ZARR2)/.stamp-dependencies ## pytest
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

test-smoke: $(OLDEST)/.stamp-wheel ## the wheel on the oldest CPython that works here, with NumPy alone
	$(OLDEST)/bin/python -I -m pytest -c tests/smoke/pytest.ini tests/smoke

lint: env ## ruff, mypy, stubtest, layers, rustfmt, clippy
	@tools/check-host fmt clippy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest zarrpipe._core --mypy-config-file pyproject.toml \
	    --allowlist tools/stubtest-allowlist.txt --ignore-unused-allowlist
	$(BIN)/lint-imports --no-cache
	cargo fmt --all --check
	cargo clippy --release $(CARGO_FLAGS) --workspace --all-targets -- -D warnings

format: env ## rewrite the sources as `make lint` wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cargo fmt --all

bench: env ## the measurements of benches/
	@$(BIN)/python benches/run.py $(BENCH_FLAGS)

clean: ## remove what make made
	rm -rf $(VENV) $(OLDEST) $(ZARR2) build target demo-out python/zarrpipe/*.so

$(VENV)/.stamp-host: tools/check-host tools/find-python Cargo.toml
	@tools/check-host
	@mkdir -p $(@D) && touch $@

# An environment of another Python than the newest one here is made anew; one that fits is kept as it is.
$(VENV)/.stamp-python: $(VENV)/.stamp-host constraints.txt
	@python=$$(tools/find-python newest); \
	version() { "$$1" -c 'import sys; print(sys.version_info[:3], sys.prefix != sys.base_prefix)' 2>/dev/null; }; \
	if [ "$$(version $(BIN)/python)" != "$$(version "$$python" | sed 's/False/True/')" ]; then \
	    echo "making $(VENV) with $$python"; \
	    "$$python" -m venv --clear $(VENV); \
	    touch $(VENV)/.stamp-host; \
	fi
	@$(BIN)/python $(PIP) install -c constraints.txt pip
	@touch $@

$(VENV)/.stamp-dependencies: $(VENV)/.stamp-python constraints.txt pyproject.toml
	@echo "installing the pinned dependencies into $(VENV)"
	@$(BIN)/python $(PIP) install -c constraints.txt --group dev
	@touch $@

$(VENV)/.stamp-extension: $(VENV)/.stamp-dependencies $(RUST_SOURCES) pyproject.toml
	@PATH="$(CURDIR)/$(BIN):$$PATH" VIRTUAL_ENV=$(CURDIR)/$(VENV) PIP_QUIET=1 \
	    $(BIN)/maturin develop --release $(CARGO_FLAGS)
	@touch $@

$(OLDEST)/.stamp-python: $(VENV)/.stamp-host constraints-oldest.txt
	@python=$$(tools/find-python oldest); \
	echo "making $(OLDEST) with $$python"; \
	"$$python" -m venv --clear $(OLDEST)
	@$(OLDEST)/bin/python $(PIP) install -c constraints-oldest.txt numpy pytest
	@touch $@

$(OLDEST)/.stamp-wheel: $(OLDEST)/.stamp-python $(VENV)/.stamp-extension $(PYTHON_SOURCES) README.md LICENSE
	@rm -rf $(WHEELS)
	@$(BIN)/maturin build --release $(CARGO_FLAGS) --compatibility linux --out $(WHEELS) -i $(BIN)/python
	@$(OLDEST)/bin/python $(PIP) install --no-deps --force-reinstall $(WHEELS)/*.whl
	@touch $@

$(ZARR2)/.stamp-dependencies: $(VENV)/.stamp-host constraints-zarr2.txt
	@python=$$(tools/find-python oldest); \
	echo "making $(ZARR2) with $$python"; \
	"$$python" -m venv --clear $(ZARR2)
	@$(ZARR2)/bin/python $(PIP) install -c constraints-zarr2.txt zarr msgpack
	@touch $@
