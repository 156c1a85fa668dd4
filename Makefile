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
	@python -m tools.budget --sets paper/cifar10.yaml:runs/paper paper/cifar100.yaml:runs/cifar100 paper/mnist.yaml:runs/mnist

# From whatever has run so far, without DVC, which would run the rest first.
report: .venv/installed
	@for set in cifar10:paper cifar100:cifar100 mnist:mnist; do data=$${set%:*}; pipeline=$${set#*:}; \
	python -m stages.collect --params params.yaml paper/params.yaml paper/$$data.yaml --data data/corrupted/$$data \
	--runs runs/$$pipeline --out metrics/$$pipeline > /dev/null || exit; done
	@for data in digits mnist cifar10; do test ! -d runs/theory/$$data || \
	{ python -m stages.collect_theory --params theory/$$data.yaml --runs runs/theory/$$data --out metrics/theory/$$data && \
	python -m stages.plot_theory --metrics metrics/theory/$$data --out plots/theory/$$data; } || exit; done
	@python -m stages.count_parameters --out metrics/parameters.json > /dev/null
	@python -m stages.claims --out metrics
	@python -m stages.plot_paper --metrics metrics --out plots/paper
	@python -m stages.report

publish: .venv/installed
	dvc push --run-cache

pull-results: .venv/installed
	dvc pull --allow-missing

test: .venv/installed
	pytest -q --numprocesses auto --dist loadfile --no-loadscope-reorder

lint: .venv/installed
	ruff format --check . && ruff check . && mypy

check: .venv/installed
	python -m tools.check --summary demo/metrics/summary.json --data data/digits data/corrupted/demo --reference reference/demo

# Of the paper's grid: what has run here against another machine's results, and a reference of what has run here.
check-paper: .venv/installed
	python -m tools.check --summary metrics/paper/summary.json --data data/cifar10 $(wildcard data/corrupted/cifar10/*) \
	--reference reference/$(or $(NAME),2-core-amx/cifar10-jpeg)

reference: .venv/installed
	python -m tools.record_reference --out reference/$(or $(NAME),$(error say under which name: NAME=my-gpu/cifar10))

# What the references show together; later ones count where two have a run.
REFERENCES ?= reference/2-core-avx2/cifar10-jpeg reference/2-core-amx/cifar10-jpeg reference/2-core-amx/cifar10-jpeg-until-fitted
combined: .venv/installed
	@python -m tools.combine $(REFERENCES) --out combined
	@python -m stages.claims --metrics combined/metrics --out combined/metrics
	@python -m stages.plot_paper --metrics combined/metrics --out combined/plots/paper
	@for folder in combined/metrics/theory/*; do test ! -d $$folder || \
	python -m stages.plot_theory --metrics $$folder --out combined/plots/theory/$${folder##*/} || exit; done
	@python -m stages.report --metrics combined/metrics --plots combined/plots --out combined/report.html

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
