# Every target sets up what it needs in .venv and can be the first one called on a fresh machine.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV := $(shell command -v uv 2>/dev/null)

.PHONY: help demo run test check format bench picture lock clean

help:  ## list what can be made
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 12

$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "monitor: Python 3.11 or later is needed: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
ifneq ($(UV),)
	VIRTUAL_ENV=$(VENV) uv pip install --quiet --require-hashes -r requirements-dev.txt
	VIRTUAL_ENV=$(VENV) uv pip install --quiet --no-deps --no-build-isolation -e .
else
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
endif
	@$(BIN)/python -m compileall -q monitor  # else each start compiles it where nobody keeps what was compiled
	@touch $(READY)

demo: $(READY)  ## the whole job on bundled sample feeds, without a network
	$(BIN)/monitor demo

run: $(READY)  ## the real service on the curated feeds (Ctrl-C ends it)
	@$(BIN)/monitor --config monitor.yaml init . >/dev/null
	$(BIN)/monitor run

test: check  ## everything that is checked and tested
	$(BIN)/python -m pytest

check: $(READY)  ## lint, types, layers, watchlists
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/monitor check watchlists

format: $(READY)  ## lay the code out
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)  ## print today's figures
	$(BIN)/python bench/all.py

picture: $(READY)  ## docs/digest.png from the demo's digest (needs chromium)
	$(BIN)/python docs/picture.py

lock: $(READY)  ## pin and hash what pyproject.toml asks for (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-annotate pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-annotate --extra dev pyproject.toml -o requirements-dev.txt

clean:  ## forget the environment and what the demo wrote
	rm -rf $(VENV) out
