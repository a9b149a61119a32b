# VENV may name an environment that already has the packages of pyproject.toml.
VENV ?= .venv
PYTHON ?= python3
ENVIRONMENT := $(VENV)/.podium-installed
export PATH := $(abspath $(VENV))/bin:$(PATH)

.PHONY: repro test lint download

repro: $(ENVIRONMENT)  ## raw files in, submissions and a table of scores out
	dvc repro
	@cat report/summary.md

download: $(ENVIRONMENT)  ## the files of TASK's competition, with the kaggle client
	python -m submissions.download $(TASK)

test: lint  ## the checks and the tests
	pytest

lint: $(ENVIRONMENT)
	ruff check .
	ruff format --check .

$(ENVIRONMENT): pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --editable '.[test]'
	git rev-parse --git-dir >/dev/null 2>&1 || $(VENV)/bin/dvc config --local core.no_scm true
	touch $@
