# `make run` and `make test` set up everything that they need: a virtual environment in .venv from
# the hash-locked requirements, and what is missing from Debian.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# auto: native code if this machine can build it; 1: an error if it cannot; 0: none.
NATIVE ?= auto
DEBIAN := espeak-ng:espeak-ng sox:sox sipp:sip-tester baresip:baresip-core chromium:chromium \
	doveadm:dovecot-imapd /usr/lib/dovecot/lmtp:dovecot-lmtpd /usr/sbin/postfix:postfix \
	/usr/sbin/clamd:clamav-daemon gs:ghostscript turnserver:coturn pg_ctlcluster:postgresql ip:iproute2
# Found by file, not by command.
LIBRARIES := libspandsp.so.2:libspandsp2

.PHONY: run demo test check bench soak console setup setup-debian lock clean

run: $(VENV)/.installed
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
	$(TESTS)

# The sources, and then what is installed: the hot modules as native code, if this machine can
# build them. Tests with sound at its own pace run two at a time; of the others most wait for
# something, and five at a time take a third of the time. The API, its pages and the command line
# are no native code: they are tested once.
PYTEST = $(BIN)/python -m pytest
FIVE = --numprocesses 5 --dist worksteal
TWO = --numprocesses 2 --dist worksteal
TESTS = $(PYTEST) $(TWO) -m "realtime and not soak" && $(PYTEST) $(FIVE) -m "not realtime and not soak" && \
	if test -e $(VENV)/.native; then echo "and the native build:"; export CICSWITCH_TEST=native; \
	$(PYTEST) $(TWO) -m "realtime and not soak" tests/media/test_media_relay.py tests/media/test_media_recording.py && \
	$(PYTEST) $(FIVE) -m "not realtime and not soak and not slow" $(NATIVE_TESTS); fi
NATIVE_TESTS := $(filter-out tests/support/ tests/browser/ tests/api/ tests/webhooks/ tests/operation/ tests/hours/ tests/runtime/ tests/soak/ tests/terminal/ tests/core/ tests/channels/ tests/mail/ tests/gateways/ tests/paper/ tests/simulate/ tests/dialplan/ tests/fax/ tests/interop/ tests/records/ tests/rtp/ tests/__pycache__/,$(wildcard tests/*/)) \
	$(patsubst %,--ignore=tests/journeys/test_%.py,webrtc fax demo example opening answering preview embedding)

bench: setup
	$(BIN)/cicswitch bench all

# The pages in cicswitch/console/dist, of the sources beside it. Needs Node.js and npm.
console: setup
	$(BIN)/python -m cicswitch.console.build

soak: setup
	$(BIN)/python -m pytest -m soak

setup: $(VENV)/.dev $(VENV)/.installed setup-debian

# What the switch itself needs, and what builds it.
$(VENV)/.runtime: requirements-run.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -e $(VENV)/.dev || ( set -x; \
	  $(BIN)/python -m pip install --quiet --require-hashes -r requirements-run.lock )
	@touch $@

$(VENV)/.dev: requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@touch $@

# The wheel, with the hot modules built to native code where a C compiler and Python's headers are
# (a minute once, and after each change of a source; `python -m cicswitch.cli` runs the sources).
SOURCES := $(shell find cicswitch media dialplans -type f -not -name '*.pyc') cicswitch.toml \
	pyproject.toml hatch_build.py

$(VENV)/.installed: $(VENV)/.runtime $(SOURCES)
	@echo "building cicswitch; its hot modules to native code takes about a minute"
	@rm -rf build/wheel $(VENV)/.native
	CICSWITCH_NATIVE=$(NATIVE) $(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation \
	  --wheel-dir build/wheel .
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall build/wheel/*.whl
	@if ls build/wheel/*-none-any.whl >/dev/null 2>&1; then \
	  echo "the sources run as they are: $$(cat build/native/reason)"; \
	else touch $(VENV)/.native; fi
	@touch $@

# command:package pairs; installed where we may, named where we may not.
setup-debian:
	@missing=""; for pair in $(DEBIAN); do \
	  command -v $${pair%%:*} >/dev/null 2>&1 || missing="$$missing $${pair##*:}"; \
	done; \
	for pair in $(LIBRARIES); do \
	  PATH="$$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null | grep -q "$${pair%%:*}" || missing="$$missing $${pair##*:}"; \
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
	rm -rf $(VENV) build var .mypy_cache .ruff_cache .pytest_cache .hypothesis bench/out
