# Every target is a line of public commands; .venv is made on first use. `make help` prints the lines that begin with ##.
PYTHON ?= python3
JOBS ?= 1
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: demo repro paper paper-small budget report report-small publish pull-results test lint check check-paper reference combined mutants torture inputs verify bench gpu-check help
## make demo           the demo: three networks on 200 digits; no download
demo: .venv/installed
	dvc repro demo/dvc.yaml theory/dvc.yaml:expressivity@digits
	@cat demo/metrics/table.md

## make repro          the headline: dvc repro, Inception, AlexNet and MLP 1x512 on random labels of CIFAR-10
repro: .venv/installed
	dvc repro

## make paper JOBS=4   the grid and the theory: every run of the paper's figures and tables, four at once; prints its cost first
paper: budget
	python -m tools.run --jobs $(JOBS) paper/dvc.yaml:report

## make paper-small JOBS=2    the grid on 5,000 images, 7 hours on two cores with bf16; prints its cost first
paper-small: .venv/installed
	@python -m tools.budget --sets paper/small.yaml:runs/small
	python -m tools.run --jobs $(JOBS) paper/dvc.yaml:collect_small
	@python -m tools.report --small

## make budget         that cost alone: runs, operations and time on this machine
budget: .venv/installed
	@python -m tools.budget --imagenet --sets paper/cifar10.yaml:runs/cifar10 paper/cifar100.yaml:runs/cifar100 \
	paper/mnist.yaml:runs/mnist

## make report         claims, figures and report.html of what has run of the grid and the theory
report: .venv/installed
	@python -m tools.report

## make report-small   the same of the grid in small: report-small.html
report-small: .venv/installed
	@python -m tools.report --small

## make publish        data sets and runs to your DVC remote (docs/sharing.md)
publish: .venv/installed
	dvc push --run-cache

## make pull-results   data sets and runs from it
pull-results: .venv/installed
	dvc pull --allow-missing

## make test           the test suite; what needs a GPU, Ray or a browser is skipped without
test: .venv/installed
	pytest -q --numprocesses auto --dist loadfile --no-loadscope-reorder

## make lint           formatting, lint and types
lint: .venv/installed
	ruff format --check . && ruff check . && mypy

## make check          the demo's numbers against reference/demo*: data to the byte, accuracies within the spread of its runs
check: .venv/installed
	python -m tools.check --runs demo/metrics/summary.json --data data/digits data/corrupted/demo \
	--reference $(sort $(wildcard reference/demo*))

## make check-paper    your runs of the grid, after make report, against a reference: NAME=2-core-amx/cifar10-jpeg
check-paper: .venv/installed
	python -m tools.remeasure
	python -m tools.check --runs metrics/cifar10/runs.csv --data data/cifar10 $(wildcard data/corrupted/cifar10/*) \
	--reference reference/$(or $(NAME),2-core-amx/cifar10-jpeg)

## make reference      your runs of the grid, after make report, as reference/NAME: NAME=my-gpu/cifar10
reference: .venv/installed
	python -m tools.record_reference --out reference/$(or $(NAME),$(error say under which name: NAME=my-gpu/cifar10))

# What the references show together; later ones count where two have a run.
REFERENCES ?= reference/2-core-avx2/cifar10-jpeg reference/2-core-amx/cifar10-jpeg reference/2-core-amx/cifar10-jpeg-until-fitted \
	reference/2-core-zen5/cifar10-jpeg-until-fitted reference/2-core-zen5/cifar10-jpeg reference/2-core-zen5/batch-size \
	reference/2-core-zen4/batch-size reference/2-core-zen5/small reference/2-core-zen4/small reference/h200/small \
	reference/h200/cifar10-jpeg reference/h200/cifar10-jpeg-levels
## make combined       claims, figures and report of the references together; writes docs/results.md and the pictures beside it
combined: .venv/installed
	@python -m tools.combine $(REFERENCES) --out combined
	@if [ -d combined/metrics/small ]; then python -m tools.report --small --metrics combined/metrics/small \
	--plots combined/plots/small --out combined/report-small.html && \
	cp combined/plots/small/paper/figure_1c.png docs/figure_1c_small.png; fi
	@python -m tools.report --metrics combined/metrics --plots combined/plots --out combined/report.html \
	--results docs/results.md
	@cp $(addprefix combined/plots/paper/,figure_1a.png learned_first.png batch_size_mlp.png) docs/

## make mutants        breaks the code in one place at a time: does a test notice? (docs/trust.md)
mutants: .venv/installed
	python -m tests.faults.mutants

## make torture        kills and damages pipelines: are the results the same afterwards? (docs/trust.md)
torture: .venv/installed
	python -m tests.faults.torture

## make inputs         wrong parameters and damaged files: is each refused in a sentence? (docs/trust.md)
inputs: .venv/installed
	python -m tests.faults.inputs

## make verify         reads all of DVC's cache and of the stages' outputs, and deletes what is damaged
verify: .venv/installed
	python -m tools.verify

## make bench          training speed against the loops people use and the machine's limits
bench: .venv/installed
	python -m benchmarks.throughput

## make gpu-check      does a GPU train as it should here? three minutes; paste what it prints into an issue
gpu-check: .venv/installed
	@python -m tools.gpu_check

## . .venv/bin/activate, then
##   python -m tools.run --jobs 4 paper/dvc.yaml:report   a pipeline, four stages at once, or on a cluster (docs/many-runs.md)
##   python -m tools.export headline out.npz       a corrupted data set, whole, for use elsewhere
##   python -m tools.duplicates data/raw           images that are in the training and in the test set
##   dvc dag plot                                  the stages of the headline as a graph
##   dvc metrics diff                              old and new metrics side by side
##   dvc plots show                                interactive curves of what has run; dvc plots diff compares versions
help:
	@sed -n 's/^## //p' $(firstword $(MAKEFILE_LIST))

.venv/installed: requirements.lock
	@git rev-parse --git-dir >/dev/null || { test -e .git || echo "error: DVC needs this folder to be a Git repository; \
	clone it, or run git init && git add --all && git commit --message start" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 14) or sys.exit("error: PYTHON=$(PYTHON) is \
	Python %d.%d; expected 3.11 to 3.14, such as PYTHON=python3.13" % v)'
	$(PYTHON) -m venv .venv
	pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@
