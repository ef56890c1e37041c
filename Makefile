# Every target builds .venv first when it is missing or older than what it is made from.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
ARGS ?=
PORT ?= 5055
TEXT ?= seeds

.DEFAULT_GOAL := help
.PHONY: help train sweep test predict ui lint clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

train: $(STAMP) ## train the default tagger, record and register it (ARGS="experiment=quick")
	$(BIN)/framing train $(ARGS)

sweep: $(STAMP) ## search the best values of a configuration (ARGS="sweep=quick")
	$(BIN)/framing sweep $(ARGS)

test: $(STAMP) lint ## ruff, mypy and the whole test suite
	$(BIN)/pytest $(ARGS)

lint: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check src tests bench
	$(BIN)/ruff format --check src tests bench
	$(BIN)/mypy

predict: $(STAMP) ## tag TEXT (a file or folder) with the champion (TEXT=article.txt)
	$(BIN)/framing predict $(TEXT)

ui: $(STAMP) ## the MLflow UI of the runs, on this machine only (PORT=5055)
	@echo "open http://127.0.0.1:$(PORT)/?workflowType=machine_learning#/experiments"
	PATH="$(CURDIR)/$(BIN):$$PATH" MLFLOW_DISABLE_TELEMETRY=true $(BIN)/mlflow server --host 127.0.0.1 --port $(PORT) --workers 1 \
	  --backend-store-uri "sqlite:///$(CURDIR)/runs/mlflow.db" --default-artifact-root "file://$(CURDIR)/runs/artifacts"

clean: ## remove .venv and caches, never runs/
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
