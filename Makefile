# make up      serve everything on http://127.0.0.1:5000 (PORT, WORKERS, DATA_DIR and other settings by environment)
# make test    every test          make lint    ruff, mypy, Biome       make help    all targets

# The first Python that runs; scripts/install.py goes on from there.
ifndef PYTHON
PYTHON := $(shell for name in python3.11 python3 python; do $$name -c '' 2>/dev/null && echo $$name && break; done)
endif
RUN := .venv/bin/python
# Much of the tests' time is waiting for other processes. A test process needs up to 2.5 GB.
PARALLEL := --numprocesses $(shell echo $$(($$(nproc) + 1))) --maxprocesses 4 --dist worksteal
BIOME := .venv/bin/npx --yes --loglevel=error @biomejs/biome@2.6.8

.PHONY: help up install full install-dev python weights engine test lint bench docker-test train eval

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

python:
	@test -n "$(PYTHON)" || { echo "Python is needed: install it (apt-get install python3 python3-venv)" >&2; exit 1; }

install: python
	@$(PYTHON) scripts/install.py

full: python ## Install PyTorch and MMDetection too, to train, to evaluate and to use CUDA
	@$(PYTHON) scripts/install.py full

install-dev: python
	@$(PYTHON) scripts/install.py dev

up: install ## Install what is missing, serve until Ctrl-C; the full model is fetched meanwhile
	@$(RUN) -m app.launch --with-parent

weights: install ## Fetch a model's weights: make weights, or MODEL=<name> (see `flask models`)
	@$(RUN) -m app.vision.catalogue.fetch $(MODEL)

engine: $(if $(QUANTIZE),full,install) ## Make the installed models' engines (QUANTIZE=<folder of photos> adds int8)
	@$(RUN) -m app.vision.engine $(if $(QUANTIZE),--quantize $(QUANTIZE))

test: install-dev ## Run every test (ARGS: options of pytest)
	@$(RUN) -m pytest $(PARALLEL) $(ARGS)

lint: install-dev ## Check style and types
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@$(BIOME) ci --error-on-warnings

bench: install-dev ## Measure speed and memory; writes build/bench.json and the tables in docs/engine.md
	@$(RUN) -m bench $(ARGS)

docker-test: install-dev ## Build the images and try them for real: docker run, compose, Heroku's layout
	@$(RUN) -m pytest -m docker -s -v tests/docker $(ARGS)

train: full ## Fine-tune: make train ARGS="--data FOLDER --base starter --out FOLDER"
	@$(RUN) -m app.training $(ARGS)

eval: full ## Average precision: make eval MODEL=<name> DATA=<COCO folder> (MODEL=sketch: a folder of drawings)
	@$(RUN) -m app$(if $(filter sketch%,$(MODEL)),.sketch).training.evaluate $(MODEL) $(DATA)
