# Set VENV to use your own environment. It must have the packages of pyproject.toml; make does not change it.
VENV ?= .venv
PYTHON ?= python3
export PATH := $(abspath $(VENV))/bin:$(PATH)

.PHONY: environment repro download quick test test-all lint lock clean help

repro: environment  ## run all stages: from raw files to submissions and a table of scores
	python -m pipeline repro
	@cat report/summary.md
	@echo "Open $(CURDIR)/report/index.html in a browser: it shows what the members get wrong, and what to do next."

published-%: environment  ## repeat report a, b, c, d or e (SCALE=small: only see that it runs)
	python -m published $* $(addprefix --,$(SCALE))

download: environment  ## download the files of TASK's competition with the kaggle client
	python -m submissions.download $(TASK)

quick: environment  ## run the tests that take two minutes, while you work
	pytest -m 'not slow and not nightly'

test: lint  ## run the checks, and the tests that take ten minutes, with coverage
	pytest -m 'not nightly' --cov

test-all: lint  ## run the checks and all tests, up to 90 minutes
	pytest

lint: environment  ## check style, format and types
	ruff check .
	ruff format --check .
	mypy

lock: environment  ## write the newest versions within the bounds of pyproject.toml to requirements.lock
	$(VENV)/bin/python -m pip install --quiet uv
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade --no-annotate --quiet \
		--custom-compile-command 'make lock' --output-file requirements.lock

clean:  ## delete what Podium rebuilds by itself, and show the size of the rest
	rm -rf .compiled .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo 'Kept, with the command that frees each (see docs/disk.md):'
	@for line in '.dvc/cache|old versions of results: dvc gc --workspace' \
		'.resume|folds of killed and finished runs: rm -r .resume' \
		'.studies|trials of searches: rm -r .studies' \
		'.vectors|features of pretrained networks: rm -r .vectors' \
		'artifacts|results, restored by dvc checkout: rm -r artifacts' \
		'data/replica|replicas, restored by dvc checkout: rm -r data/replica' \
		'.published|runs of published reports: rm -r .published'; do \
		folder=$${line%%|*}; \
		if [ -d $$folder ]; then size=$$(du -sh $$folder | cut -f1); else size=none; fi; \
		printf '  %-14s %6s  %s\n' "$$folder" "$$size" "$${line#*|}"; \
	done

help:  ## show this list
	@sed -n 's/^\([a-z%-]*\):.*  ## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do \
		printf '  make %-10s %s\n' "$$target" "$$text"; \
	done

environment:
	@.ci/environment $(VENV) $(PYTHON)
