# The two commands of the README are `make demo` and `make test`; `make check` is what CI runs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PHOTO := examples/chelsea.png
OUT := demo

.PHONY: demo test check lint types docs format clean

demo: $(VENV)/.installed
	$(BIN)/linearsr upscale $(PHOTO) --output $(OUT)/chelsea_x4.png --overwrite
	$(BIN)/linearsr compare $(PHOTO) $(OUT)/chelsea_x4.png --output $(OUT)/side_by_side.png --overwrite
	@echo "The photo enlarged four times: $(OUT)/chelsea_x4.png"
	@echo "Before and after side by side: $(OUT)/side_by_side.png"

test: $(VENV)/.installed-dev
	$(BIN)/pytest

check: lint types test demo

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

docs: $(VENV)/.installed-dev
	$(BIN)/python recipes/cli_reference.py docs/reference/cli.md
	$(BIN)/python recipes/results_page.py docs/results docs/results.md

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) $(OUT) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
