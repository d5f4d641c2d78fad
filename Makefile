# Everything is set up in .venv by the first target that needs it. Stamps are files in .venv, so that set-up happens again
# only when pyproject.toml changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SOAK_ROUNDS ?= 10

.DEFAULT_GOAL := help
.PHONY: help demo test test-torch lint bench synthesis soak docs clean setup

help:
	@echo "make demo    set up .venv, compile and run trained models, show answers and costs"
	@echo "make test    lint, then every test"
	@echo "make test-torch  install torch into .venv and test what needs it"
	@echo "make lint    ruff and mypy"
	@echo "make bench   measure the project's figures; writes docs/benchmarks.md"
	@echo "make synthesis  synthesise the chips; writes docs/03_reference/synthesis.md (area needs a cell library)"
	@echo "make soak    thousands of random programs on the hardware, then every test SOAK_ROUNDS times with other examples"
	@echo "make docs    write the generated manuals in docs/ again"
	@echo "make clean   remove what tools left in the checkout (not .venv)"

demo: $(VENV)/.base
	$(BIN)/seedchip demo

test: $(VENV)/.test lint
	@bash .ci/debian-packages compiler browser timing
	@$(BIN)/python -m pytest

test-torch: $(VENV)/.torch
	@$(BIN)/python -m pytest tests_torch

lint: $(VENV)/.test
	@$(BIN)/ruff check src tests tests_torch examples
	@$(BIN)/mypy

bench: $(VENV)/.test
	$(BIN)/seedchip bench

synthesis: $(VENV)/.test
	$(BIN)/python -m seedchip.synthesis.manual

soak: $(VENV)/.test
	$(BIN)/python -m seedchip.conformance.soak
	@for round in $$(seq 1 $(SOAK_ROUNDS)); do \
		echo "round $$round of $(SOAK_ROUNDS)"; \
		$(BIN)/python -m pytest -x --hypothesis-seed=$$round || exit 1; \
	done

docs: $(VENV)/.test
	$(BIN)/python -m seedchip.isa.manual
	$(BIN)/python -m seedchip.numerics.manual
	$(BIN)/python -m seedchip.frontend.manual
	$(BIN)/python -m seedchip.zoo.manual
	$(BIN)/python -m seedchip.rtl.host.manual
	$(BIN)/python -m seedchip.report.manual > docs/03_reference/report.md

clean:
	rm -rf build .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find src tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

setup: $(VENV)/.test

# The environment itself. pip alone decides whether something is to be done.
$(VENV)/.made:
	@PYTHON=$(PYTHON) bash .ci/debian-packages venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; run make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# What the demo needs: the package and its own dependencies.
$(VENV)/.base: $(VENV)/.made pyproject.toml
	$(PIP) --editable .
	@touch $@

# What tests need besides: hardware description and simulation, checkers.
$(VENV)/.test: $(VENV)/.base pyproject.toml
	$(PIP) --editable '.[rtl,synth,fpga,test]'
	@touch $@

# PyTorch, only when asked for; the version that the tests were written against.
$(VENV)/.torch: $(VENV)/.test pyproject.toml
	$(PIP) --editable '.[torch]' 'torch==2.13.0'
	@touch $@
