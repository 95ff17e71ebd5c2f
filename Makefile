# make up      serve everything on http://127.0.0.1:5000 (PORT, WORKERS, DATA_DIR and other settings by environment)
# make test    every test          make lint    ruff and mypy         make help    all targets

PYTHON ?= $(or $(shell command -v python3.11),$(shell command -v python3))
RUN := .venv/bin/python
MODEL ?= mask_rcnn_r50_caffe_fpn_mstrain-poly_3x_coco

.PHONY: help up install weights engine test lint bench docker-test train eval

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

install:
	@$(PYTHON) scripts/install.py

install-dev:
	@$(PYTHON) scripts/install.py --dev

up: install ## Install what is missing, fetch the weights, serve until Ctrl-C
	@$(RUN) -m app.vision.checkpoints || true
	@$(RUN) -m app.vision.engine
	@exec $(RUN) -m app.launch

weights: install ## Fetch a model's weights (MODEL=<name>, see `flask models`)
	@$(RUN) -m app.vision.checkpoints $(MODEL)

engine: install ## Export the installed models to OpenVINO (QUANTIZE=<folder of photos> adds int8)
	@$(RUN) -m app.vision.engine $(if $(QUANTIZE),--quantize $(QUANTIZE))

test: install-dev ## Run every test
	@$(RUN) -m pytest $(ARGS)

lint: install-dev ## Check style and types
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy

bench: install-dev ## Measure speed and memory; writes build/bench.json and the README's table
	@$(RUN) -m bench

docker-test: ## Build the images and try them for real
	@$(PYTHON) scripts/docker_test.py

train: install ## Fine-tune: make train ARGS="--data FOLDER --base starter --out FOLDER"
	@$(RUN) -m app.training $(ARGS)

eval: install ## Average precision: make eval MODEL=<name> DATA=<COCO folder>
	@$(RUN) -m app.training.evaluate $(MODEL) $(DATA)
