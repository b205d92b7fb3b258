# Needs a Python that pyproject.toml allows, git and make; every target makes .venv when it is missing.
#   PYTHON=python3.12   the interpreter that makes .venv (delete .venv to change it later)
#   FRAMEWORKS=1        with PyTorch, TensorFlow and JAX as well

PYTHON ?= python3
FRAMEWORKS ?=
BIN := .venv/bin

extras-bench := bench
extras-test := bench,dev
extras-full := bench,dev,frameworks,edge,distributed

# Both halve OpenBLAS where a login profile sets them: no measurement may inherit them.
unexport OPENBLAS_CORETYPE OPENBLAS_L2_SIZE

.PHONY: help bench test site lint
.NOTPARALLEL:

help:
	@echo "make bench    measure the last commits on torsh and numpy, publish html/, print a short table"
	@echo "make test     run the tests that need no PyTorch, TensorFlow or JAX"
	@echo "make site     publish html/ again from the results in .asv/results"
	@echo "make lint     ruff and mypy"
	@echo
	@echo "FRAMEWORKS=1  bench: all five frameworks; test: every test, the slow ones too"
	@echo "PYTHON=...    the interpreter that makes .venv (now: $(PYTHON))"

bench: .venv/bench.ready
	@$(BIN)/python -m scripts bench $(if $(FRAMEWORKS),--frameworks)

# A process for each of up to four cores; what a file compiles stays with the process that runs the file. One BLAS
# thread: on few cores the pools of several libraries would wait for one another.
test: .venv/$(if $(FRAMEWORKS),full,test).ready
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -rfEs --numprocesses auto --maxprocesses 4 \
		--dist loadfile $(if $(FRAMEWORKS),,-m "not slow")

site: .venv/bench.ready
	@$(BIN)/python -m scripts publish

lint: .venv/test.ready
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m mypy

# `unfinished` marks a pip that was killed: what it left is not to be trusted, so .venv is made afresh.
.venv/%.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
		echo "$(PYTHON) is missing, or is not Python 3.11, 3.12 or 3.13: name one with  make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module: on Debian and Ubuntu install python3-venv" >&2; exit 1; }
	@if [ -e .venv/unfinished ] || ! $(BIN)/python -c '' 2>/dev/null; then $(PYTHON) -m venv --clear .venv; fi
	@touch .venv/unfinished
	@echo "Installing $(extras-$*) into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(extras-$*)]"
	@rm .venv/unfinished
	@touch $@
