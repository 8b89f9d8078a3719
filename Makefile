# `make run` and `make test` set up everything that they need: a virtual environment in .venv from
# the hash-locked requirements, and what is missing from Debian.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEBIAN := espeak-ng:espeak-ng sox:sox sipp:sip-tester baresip:baresip-core

.PHONY: run demo test check bench soak setup setup-debian lock clean

run: $(VENV)/.run
	$(BIN)/cicswitch run

demo: setup
	$(BIN)/cicswitch demo

test: setup check

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/cicswitch check cicswitch.toml
	$(BIN)/cicswitch dialplan test --config cicswitch.toml
	$(BIN)/python -m pytest

bench: setup
	$(BIN)/cicswitch bench all

soak: setup
	$(BIN)/python -m pytest -m soak

setup: $(VENV)/.dev setup-debian

# What the switch itself needs: no compiler, no test tools.
$(VENV)/.run: requirements.lock pyproject.toml
	@test -e $(VENV)/.dev -a $(VENV)/.dev -nt requirements.lock || $(MAKE) --no-print-directory venv-run
	@touch $@

.PHONY: venv-run
venv-run:
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-run.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .

$(VENV)/.dev: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# command:package pairs; installed where we may, named where we may not.
setup-debian:
	@missing=""; for pair in $(DEBIAN); do \
	  command -v $${pair%%:*} >/dev/null 2>&1 || missing="$$missing $${pair##*:}"; \
	done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	    echo "installing$$missing"; \
	    (apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	      apt-get install -y -qq --no-install-recommends $$missing) >/dev/null 2>$(VENV)/apt.log \
	      || { cat $(VENV)/apt.log >&2; exit 1; }; \
	  else \
	    echo "missing:$$missing. Install with: sudo apt-get install$$missing" >&2; \
	    echo "Tests that need them are skipped, and \`say\` steps stay silent." >&2; \
	  fi; \
	fi

lock: $(VENV)/.dev
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
	  --extra dev pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
	  --extra build pyproject.toml -o requirements-run.lock

clean:
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis bench/out
