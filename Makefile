# For people and CI. `make setup` prepares the machine, the other development targets call it.
# Releasing: make switch FILE=compose.yaml TAG=1.4.2 ARGS="--json". Nothing but what bluegreen prints comes out. make itself
# ends with 2 for every failure and names bluegreen's exit code at the end of its last line: "Error 4".

# Else pytest rewrites the assertions of every file in every process, which takes longer than most tests.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup check unit test test-faults mutants demo figures docs recording switch flip-back prepare up status lock

FILE ?=
TAG ?=
ARGS ?=
SEED ?= 1
COUNT ?= 120
WORKERS ?= 1
ROOMS ?=
BLUEGREEN ?= $(if $(wildcard .venv/bin/bluegreen),.venv/bin/bluegreen,bluegreen)
run = $(if $(TAG),TAG=$(TAG)) $(BLUEGREEN) $(if $(FILE),-f $(FILE))

help: ## What there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: ## Prepare this machine: .venv, Docker Engine, Compose, base images; starts nothing else
	@tests/machine/setup.sh

check: .venv/.stamp ## The inner loop: lint, types, the quick half of the unit tests (seconds; only Python, no Docker)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/pytest -q -n 3 --dist worksteal -m "not whole" tests/unit

unit: .venv/.stamp ## All unit tests: the model of every verb, whole commands, tables (a minute; only Python)
	.venv/bin/pytest -q -n 3 --dist worksteal tests/unit

.venv/.stamp: pyproject.toml requirements-dev.lock tests/machine/setup.sh
	@tests/machine/setup.sh python

test: setup check ## Everything: real Engine, real nginx, real load
	.venv/bin/pytest -q -n 3 --dist worksteal -m whole tests/unit
	@tests/machine/test_tools.sh
	.venv/bin/pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 25 -m "not alone and not long" tests/faults tests/engine tests/e2e
	.venv/bin/pytest -m "alone and not long" --durations 5 tests/faults tests/engine tests/e2e
	@.venv/bin/python -m tests.support.project

test-faults: setup ## What `make test` only samples, whole: every kill, both Engines, 20 + 20 shifts, hostile settings (hours)
	@tests/machine/test_tools.sh
	HYPOTHESIS=nightly THOROUGH=1 .venv/bin/pytest -s --timeout 20000 tests/faults tests/e2e/test_no_request_lost.py tests/e2e/test_background_work.py \
	    tests/e2e/test_rehearsal.py \
	    tests/engine/test_bad_input.py tests/unit/test_any_input.py tests/unit/test_streams.py \
	    tests/unit/test_lock_lost.py tests/unit/test_odd_machines.py
	.venv/bin/pytest -n 3 --dist loadfile -m "long" tests/engine tests/e2e
	@.venv/bin/python -m tests.support.project

mutants: .venv/.stamp ## Small breaks of the code, one at a time: does `make check` notice? SEED=1 COUNT=120 WORKERS=1 ROOMS=cli,flow (minutes)
	@.venv/bin/python -m tests.mutants $(SEED) $(COUNT) $(WORKERS) $(ROOMS)

demo: setup ## The main job on the example, under load, with a verdict
	@tests/machine/test_tools.sh pebble
	@.venv/bin/python -m tests.demo.demo

figures: setup ## The measured figures of the README: bluegreen beside docker compose up -d
	@.venv/bin/python -m tests.demo.figures

docs: .venv/.stamp ## The pages: generated ones, the site in build/site, the man page docs/bluegreen.1 (seconds; only Python)
	.venv/bin/python -m tests.support.pages
	.venv/bin/sphinx-build -q -E -W --keep-going -d build/doctrees -b html docs build/site
	.venv/bin/sphinx-build -q -W --keep-going -d build/doctrees -b man docs build/man
	cp build/man/bluegreen.1 docs/bluegreen.1

recording: setup ## docs/recording.svg: up, switch and flip-back as they run, on one small service
	@.venv/bin/python -m tests.demo.recording

up: ## bluegreen up
	@$(run) up $(ARGS)

switch: ## bluegreen switch: TAG= for the image's tag, FILE= for another Compose file, ARGS= for options
	@$(run) switch $(ARGS)

prepare: ## bluegreen prepare
	@$(run) prepare $(ARGS)

flip-back: ## bluegreen flip-back
	@$(run) flip-back $(ARGS)

status: ## bluegreen status
	@$(run) status $(ARGS)

lock: ## Compile requirements-dev.lock anew (needs pip-tools)
	pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url \
	    --no-emit-find-links --no-header --extra dev --output-file requirements-dev.lock pyproject.toml
