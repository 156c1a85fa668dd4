# Every target is a line of public commands; .venv is made on first use.
PYTHON ?= python3
JOBS ?= 1
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: demo repro paper budget report publish pull-results test lint check check-paper reference combined mutants torture inputs verify bench
demo: .venv/installed
	dvc repro demo/dvc.yaml theory/dvc.yaml:expressivity@digits
	@cat demo/metrics/table.md

repro: .venv/installed
	dvc repro

paper: budget
	python -m tools.run --jobs $(JOBS) paper/dvc.yaml

budget: .venv/installed
	@python -m tools.budget --sets paper/cifar10.yaml:runs/cifar10 paper/cifar100.yaml:runs/cifar100 paper/mnist.yaml:runs/mnist

report: .venv/installed
	@python -m tools.report

publish: .venv/installed
	dvc push --run-cache

pull-results: .venv/installed
	dvc pull --allow-missing

test: .venv/installed
	pytest -q --numprocesses auto --dist loadfile --no-loadscope-reorder

lint: .venv/installed
	ruff format --check . && ruff check . && mypy

check: .venv/installed
	python -m tools.check --runs demo/metrics/summary.json --data data/digits data/corrupted/demo --reference reference/demo

# Of the paper's grid: what has run here against another machine's results, and a reference of what has run here.
check-paper: .venv/installed
	python -m tools.remeasure
	python -m tools.check --runs metrics/cifar10/runs.csv --data data/cifar10 $(wildcard data/corrupted/cifar10/*) \
	--reference reference/$(or $(NAME),2-core-amx/cifar10-jpeg)

reference: .venv/installed
	python -m tools.record_reference --out reference/$(or $(NAME),$(error say under which name: NAME=my-gpu/cifar10))

# What the references show together; later ones count where two have a run.
REFERENCES ?= reference/2-core-avx2/cifar10-jpeg reference/2-core-amx/cifar10-jpeg reference/2-core-amx/cifar10-jpeg-until-fitted \
	reference/2-core-zen5/cifar10-jpeg-until-fitted
combined: .venv/installed
	@python -m tools.combine $(REFERENCES) --out combined
	@python -m tools.report --metrics combined/metrics --plots combined/plots --out combined/report.html \
	--results docs/results.md

mutants: .venv/installed
	python -m tests.faults.mutants

torture: .venv/installed
	python -m tests.faults.torture

inputs: .venv/installed
	python -m tests.faults.inputs

verify: .venv/installed
	python -m tools.verify

bench: .venv/installed
	python -m benchmarks.throughput

.venv/installed: requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 14) or sys.exit("error: PYTHON=$(PYTHON) is \
	Python %d.%d; expected 3.11 to 3.14, such as PYTHON=python3.13" % v)'
	$(PYTHON) -m venv .venv
	pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@
