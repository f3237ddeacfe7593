# Two commands do everything a newcomer needs: `make demo` and `make test`.
PYTHON ?= python3
PORT ?= 8000
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo mcp test clients audit fuzz agreement page check format schema catalogue bench faults calibrate year lock clean

demo: $(VENV)/run.stamp  ## the sample company, served on http://127.0.0.1:$(PORT)
	$(BIN)/truelift demo --port $(PORT)

mcp: $(VENV)/mcp.stamp  ## what `truelift mcp` needs beside the rest

test: check clients  ## every check and every test but the marked long ones
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --no-loadscope-reorder

CLIENTS := tests/clients/node_modules/.package-lock.json

clients: $(CLIENTS)  ## the public clients that the tests hold the API against, where there is a Node to run them

$(CLIENTS): tests/clients/package-lock.json
	@npm ci --prefix tests/clients --no-audit --no-fund --silent \
		|| echo "Without npm the API is not tested against public clients."

AUDITORS := tests/audits/node_modules/.package-lock.json

$(AUDITORS): tests/audits/package-lock.json
	npm ci --prefix tests/audits --no-audit --no-fund --silent --ignore-scripts

audit: $(VENV)/dev.stamp clients $(AUDITORS)  ## what public auditors say of the schema, the documents and a running server
	$(BIN)/python -m pytest tests/api/test_clients.py tests/api/audits -m "audit or not slow"

fuzz: $(VENV)/dev.stamp  ## 20,000 bodies, documents and parameters and 2,000 websockets at random, and what they cost in memory
	$(BIN)/python -m tests.api.fuzz 20000

agreement: $(VENV)/dev.stamp  ## the statistics beside R (Debian's packages) and the Python peers, asked anew
	@$(BIN)/python -m tests.agreement.sources
	$(BIN)/python -m benchmarks.peers $(VENV)/peers lifelines tea-tasting gbstats savvi
	$(BIN)/python -m pytest tests/agreement -m agreement

page: $(VENV)/dev.stamp  ## the example page in TypeScript: types against the schema, and drawn in a browser
	$(BIN)/python -m pytest tests/api/clients -m node

check: $(VENV)/dev.stamp  ## format, lint, types, imports, dead code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schema: $(VENV)/dev.stamp  ## write the GraphQL schema to its file, and the page of what changed since the last release
	$(BIN)/python -m api.graphql.schema
	$(BIN)/python -m tests.api.changes

catalogue: $(VENV)/dev.stamp  ## write the page of the shipped KPIs
	$(BIN)/python -m kpi.catalogue.page

bench: $(VENV)/dev.stamp  ## measurements side by side, as ratios
	$(BIN)/python -m benchmarks.ingest
	$(BIN)/python -m benchmarks.analysis
	$(BIN)/python -m benchmarks.page
	$(BIN)/python -m benchmarks.api
	$(BIN)/python -m benchmarks.refresh
	$(BIN)/python -m benchmarks.histories --environments $(VENV)/peers
	$(BIN)/python -m benchmarks.freshness
	$(BIN)/python -m benchmarks.subscriptions
	$(BIN)/python -m benchmarks.recompute --environments $(VENV)/peers
	$(BIN)/python -m benchmarks.statistics --environments $(VENV)/peers

faults: $(VENV)/dev.stamp  ## kill, cut off, pause and starve the service 200 times under load, and check that nothing is lost
	$(BIN)/python -m benchmarks.faults --points 200

calibrate: $(VENV)/run.stamp  ## measure anew how often the methods err, and write docs/calibration.md
	$(BIN)/truelift calibrate --replicates 10000

year: $(VENV)/dev.stamp  ## a simulated year of 200 experiments with known truth, through the API, and docs/year.md
	$(BIN)/python -m benchmarks.year

lock:  ## pin every dependency anew
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip --disable-pip-version-check --quiet install uv
	$(VENV)-lock/bin/uv pip compile pyproject.toml --extra build --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --quiet --output-file requirements/run.lock
	$(VENV)-lock/bin/uv pip compile pyproject.toml --extra build --extra mcp --constraint requirements/run.lock --universal \
		--python-version 3.11 --generate-hashes --no-annotate --no-header --quiet --output-file requirements/mcp.lock
	$(VENV)-lock/bin/uv pip compile pyproject.toml --extra dev --constraint requirements/run.lock --universal \
		--python-version 3.11 --generate-hashes --no-annotate --no-header --quiet --output-file requirements/dev.lock
	rm -rf $(VENV)-lock

clean:
	rm -rf $(VENV) build dist

$(VENV)/made.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 14) else "Truelift needs Python 3.11 to 3.14; say which with PYTHON=, as in: make demo PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/run.stamp: $(VENV)/made.stamp requirements/run.lock pyproject.toml
	$(PIP) install --only-binary :all: --require-hashes -r requirements/run.lock
	$(PIP) install --no-build-isolation --no-deps --editable .
	touch $@

$(VENV)/mcp.stamp: $(VENV)/run.stamp requirements/mcp.lock
	$(PIP) install --only-binary :all: --require-hashes -r requirements/mcp.lock
	touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements/dev.lock
	$(PIP) install --only-binary :all: --require-hashes -r requirements/dev.lock
	touch $@
