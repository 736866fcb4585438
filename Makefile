# Needs python3 with venv, and make; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
# More than there are cores: many tests wait for a time-out to pass.
WORKERS ?= 4

.PHONY: demo test check fix storm faults fuzz prove bench test-servers clean

demo: .venv/.installed  ## send a message through the whole engine to the embedded sandbox
	$(BIN)/nexomailer send --sandbox --verbose \
	  --from "nexomailer <demo@example.com>" --to "You <you@example.com>" \
	  --subject "It works ✓" --markdown @docs/demo.md --attach README.md

test: .venv/.dev  ## the tests: no network, no root
	$(BIN)/pytest --numprocesses=$(WORKERS)

check: .venv/.dev  ## format, lint, types, tests with coverage
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses=$(WORKERS) --cov --cov-report=term:skip-covered
	$(BIN)/coverage report --include='nexomailer_cli/smtp/*' --fail-under=100 --skip-covered

fix: .venv/.dev  ## what can be mended by machine
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-servers: .venv/.dev  ## against real servers and proxies, into docs/servers.md; installs them, so needs root
	tests/servers/install.sh
	$(BIN)/pytest -m servers --numprocesses=2 --dist=loadgroup --timeout=120 tests/servers

KILLS ?= 5
storm: .venv/.installed  ## kill bulk runs at random instants: nothing twice, nothing lost
	$(BIN)/python -m tests.crash.storm --kills $(KILLS) --connections 4
	$(BIN)/python -m tests.crash.storm --kills $(KILLS) --connections 4 --chunking
	$(BIN)/python -m tests.crash.storm --kills $(KILLS) --connections 32
	$(BIN)/python -m tests.crash.storm --kills $(KILLS) --connections 32 --chunking

faults: .venv/.dev  ## disks, clocks, signals and system calls that fail; installs tools, so needs root
	tests/crash/install.sh
	$(BIN)/pytest --numprocesses=auto -m faults tests/crash

FUZZ_SECONDS ?= 15
fuzz: .venv/.fuzz  ## bytes that nobody would write, for so many seconds for each reader of them
	printf '%s\n' reply address rows configuration | \
	  xargs -P 2 -I TARGET $(BIN)/python -m tests.fuzz TARGET .venv/fuzz $(FUZZ_SECONDS)

prove:  ## everything there is, at length: two hours
	$(MAKE) check test-servers
	$(MAKE) storm KILLS=50
	NEXOMAILER_PROVE=1 $(MAKE) faults
	$(MAKE) fuzz FUZZ_SECONDS=600

bench:  ## ourselves next to our peers, a quarter of an hour on a quiet machine; see bench/README.md
	bench/setup.sh
	$(PYTHON) bench/oneshot.py --no-setup
	$(PYTHON) bench/bulk.py --no-setup
	$(PYTHON) bench/latency.py --no-setup
	$(PYTHON) bench/scale.py --no-setup
	bench/.work/venv/bin/python bench/compose.py --keep
	bench/.work/peers/bin/python bench/picture.py

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/.dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ .venv/.installed

.venv/.fuzz: pyproject.toml | .venv/.dev
	$(BIN)/python -m pip install --quiet --editable '.[dev,fuzz]'
	touch $@ .venv/.dev .venv/.installed

clean:
	rm -rf .venv .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
