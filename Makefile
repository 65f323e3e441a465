# Everything here makes its own .venv first: a bare Python 3.11 to 3.13 with pip is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What is installed: the base, which repairs photos; with the server; all of it, torch too.
BASE := $(VENV)/.base
SERVE := $(VENV)/.serve
STAMP := $(VENV)/.installed
DOCS := $(VENV)/.docs
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Passed on to the command: make train ARGS="experiment=smoke"
ARGS ?=
# What the web page needs to fill in a browser.
VENDOR := serving/page/site/vendor
RUNTIME := ort.wasm.min.mjs ort-wasm-simd-threaded.mjs ort-wasm-simd-threaded.wasm
# Processes that share the tests, a thread each.
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: docs help demo demo-training prepare train evaluate export-onnx export-detector placement export-placement serve doctor test coverage check-base check-wheel check-lowest runtimes test-slow bench bench-data
.PHONY: bench-beside bench-index bench-muon bench-train bench-infer bench-serve bench-page bench-likeness soak browser page page-samples screenshots mask-picture demo-picture full-size-picture lint clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

$(BASE): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11 to 3.13 is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	touch $@

$(SERVE): $(BASE)
	$(PIP) -e '.[serve]'
	touch $@

$(STAMP): $(BASE)
	$(PIP) -e '.[train,judge,serve,dev]'
	touch $(SERVE) $@

demo: $(BASE) ## a drawn portrait repaired, and a picture to look at; installs 0.6 GB
	$(BIN)/twoface demo $(ARGS)

demo-training: $(STAMP) ## the whole path on synthetic faces, training included, and a picture; installs 5 GB
	$(BIN)/twoface demo-training $(ARGS)

prepare: $(STAMP) ## photos to a prepared data set: ARGS="source.root=<photos>"
	$(BIN)/twoface prepare $(ARGS)

train: $(STAMP) ## train on data/prepared: ARGS="trainer=gpu precision=bf16"
	$(BIN)/twoface train $(ARGS)

evaluate: $(STAMP) ## figures of a checkpoint: ARGS="checkpoint=runs/<run>/best.ckpt"
	$(BIN)/twoface evaluate $(ARGS)

export-onnx: $(STAMP) ## a checkpoint to ONNX: ARGS="checkpoint=runs/<run>/best.ckpt"
	$(BIN)/twoface export $(ARGS)

$(DOCS): $(BASE)
	$(PIP) -e '.[docs]'
	touch $@

docs: $(DOCS) ## the documentation as a site, in site/; a link that leads nowhere fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo 'open site/index.html'

page: ## let browsers fill by themselves: onnxruntime's WebAssembly beside the web page, from npm
	npm ci --prefix serving/page
	mkdir -p $(VENDOR)
	cd serving/page/node_modules/onnxruntime-web/dist && cp $(RUNTIME) $(abspath $(VENDOR))

page-samples: $(STAMP) ## draw the web page's sample faces
	$(BIN)/python benchmarks/page_samples.py

screenshots: $(STAMP) ## the web page's states, as pictures in results/page
	$(BIN)/python benchmarks/screenshots.py $(ARGS)

serve: $(SERVE) ## repair photos over HTTP, with the package's model or ARGS="--model models/two_face_model"
	$(BIN)/twoface serve $(ARGS)

doctor: $(BASE) ## versions, devices, packages, weights
	$(BIN)/twoface doctor

browser: ## Chromium for the tests of the web page, from Debian where it can be
	command -v chromium > /dev/null || command -v google-chrome > /dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium > /dev/null; } \
		|| echo 'without chromium the tests of the web page are skipped'

test: $(STAMP) browser ## tests, without the slow ones
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "not slow" -n $(WORKERS) --dist worksteal $(ARGS)

coverage: $(STAMP) browser ## the same, and which lines no test runs
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "not slow" -n $(WORKERS) --dist worksteal --cov --cov-report=term:skip-covered $(ARGS)

check-base: ## a base install in an environment of its own: light, and repairs a portrait
	rm -rf $(VENV)-base
	$(MAKE) --no-print-directory VENV=$(VENV)-base $(VENV)-base/.base
	$(VENV)-base/bin/python .ci/empty_environment.py $(VENV)-base/bin/python
	rm -rf $(VENV)-base

check-wheel: ## the wheel in an empty environment, with the server
	rm -rf dist build $(VENV)-wheel
	$(PYTHON) -m venv $(VENV)-wheel
	$(VENV)-wheel/bin/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(VENV)-wheel/bin/python -m pip install --quiet -c constraints.txt "$$(echo dist/*.whl)[serve]"
	$(VENV)-wheel/bin/python .ci/empty_environment.py $(VENV)-wheel/bin/python --serve
	rm -rf $(VENV)-wheel build

check-lowest: browser ## the tests with the lowest versions that pyproject allows
	rm -rf $(VENV)-lowest
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet uv
	$(VENV)-lowest/bin/uv pip install --quiet --python $(VENV)-lowest/bin/python --resolution lowest-direct -e '.[train,judge,serve,dev]'
	OMP_NUM_THREADS=1 $(VENV)-lowest/bin/pytest -m "not slow" -n $(WORKERS) --dist worksteal $(ARGS)

runtimes: $(STAMP) ## what some tests need: OpenVINO, onnxruntime for Node; MLflow, Weights & Biases
	$(PIP) openvino mlflow wandb
	npm install --prefix tests/node --ignore-scripts --no-audit --no-fund

test-slow: $(STAMP) ## the slow tests
	$(BIN)/pytest -m slow $(ARGS)

soak: $(STAMP) ## ten minutes of full load on the server, and its memory
	$(BIN)/pytest -s -m slow tests/serving/http/test_server_soak.py $(ARGS)

bench-serve: $(SERVE) ## speed of the server, against none and against LitServe, in one run
	$(BIN)/python benchmarks/serve.py $(ARGS)

bench-page: $(STAMP) ## the web page: weight, start, fills on the server and in the browser, memory, in one run
	$(BIN)/python benchmarks/page.py $(ARGS)

bench-index: $(STAMP) ## a set of 500,000 photos: time and memory of its index
	$(BIN)/python benchmarks/index.py $(ARGS)

bench-data: $(STAMP) ## speed of feeding against a plain loader, in one run
	$(BIN)/python benchmarks/data.py $(ARGS)

export-detector: $(STAMP) ## make the face detector's ONNX files again from facenet-pytorch
	$(BIN)/python -m twoface_pl.export.detector

placement: $(STAMP) ## train the placement network again: ARGS="--root data/prepared"
	$(BIN)/python -m twoface_pl.training.placement $(ARGS)

export-placement: $(STAMP) ## a trained placement network to the package's ONNX file: ARGS="--checkpoint placement.ckpt"
	$(BIN)/python -m twoface_pl.export.placement $(ARGS)

mask-picture: $(STAMP) ## draw every mask policy into docs/masks.png
	$(BIN)/twoface masks output=docs/masks.png samples=7 seed=2 force=true

demo-picture: $(BASE) ## the demo's picture into docs/repaired.jpg
	$(BIN)/twoface demo
	cp demo/filled-compare.jpg docs/repaired.jpg

full-size-picture: $(STAMP) ## fill a drawn portrait of 1,024 px into docs/full-size.jpg
	$(BIN)/python benchmarks/full_size.py

bench: $(STAMP) ## speed of both generators, training and inference, in one run
	$(BIN)/python benchmarks/speed.py $(ARGS)

bench-train: $(STAMP) ## speed of a training step, its parts and what is around it, fp32 and bf16; and 2,000 batches
	$(BIN)/python benchmarks/speed.py --no-inference $(ARGS)
	$(BIN)/python benchmarks/training.py

bench-muon: $(STAMP) ## our Muon against torch's own, in one run
	$(BIN)/python benchmarks/muon.py $(ARGS)

bench-beside: $(STAMP) ## training on the CPU alone and beside another program: how its threads wait
	$(BIN)/python benchmarks/beside.py $(ARGS)

bench-infer: $(STAMP) ## speed and memory of what is exported: runtimes, and whole repairs by part, in one run
	$(BIN)/python benchmarks/infer.py $(ARGS)

bench-likeness: $(STAMP) ## thresholds of --check and worth of --references-from: ARGS="<photos by person>"
	$(BIN)/python benchmarks/likeness.py $(ARGS)

lint: $(STAMP) ## ruff, mypy; and what checks the page, once it is there (make page)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	[ ! -d serving/page/node_modules ] || npm run --prefix serving/page --silent check

clean: ## remove .venv, those of the checks, and what tests and demo leave; never data, runs or models
	rm -rf $(VENV) $(VENV)-base $(VENV)-wheel $(VENV)-lowest site demo demo-training .pytest_cache .mypy_cache .ruff_cache
