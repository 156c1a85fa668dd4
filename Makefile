# Every target is a line of public commands; .venv is made on first use.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: demo repro publish pull-results test check bench
demo: .venv/installed
	dvc repro demo/dvc.yaml
	@cat demo/metrics/table.md

repro: .venv/installed
	dvc repro

publish: .venv/installed
	dvc push --run-cache

pull-results: .venv/installed
	dvc pull --allow-missing

test: .venv/installed
	pytest -q

check: .venv/installed
	ruff format --check . && ruff check . && mypy

bench: .venv/installed
	python -m benchmarks.throughput

.venv/installed: requirements.txt
	$(PYTHON) -m venv .venv
	pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@
