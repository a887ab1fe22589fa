# `make help` lists what there is. Needs make and Python 3.11 or newer; everything else is fetched by uv.
UV_VERSION := 0.13.9
PYTHON ?= python3
UV := .tools/bin/uv
RUN := .venv/bin
# Where it is set, each of the programs that the tests start would compile our code anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help init fmt lint type test test-unit test-integration test-charts test-oracle test-chaos charts charts-golden \
	kustomize events settings plugin demo up down status logs build clean bench bench-booking bench-gateway bench-operator bench-reminders \
	bench-cluster cluster \
	kind-up kind-down e2e

help: ## List the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/' | expand -t 18

$(UV): Makefile
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

# The stamp is as new as the lock that was synced.
.venv/.synced: $(UV) uv.lock pyproject.toml
	$(UV) sync --quiet --frozen --all-packages --all-groups --compile-bytecode
	@touch $@

init: .venv/.synced ## Make the virtual environment

fmt: init ## Format the code
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

lint: init type ## Check style, imports between parts, and types
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/lint-imports --no-cache

type: init ## Check types (mypy --strict)
	$(RUN)/mypy

# The two that are left out need tools that `make init` does not bring. Each worker starts servers of its own, and has
# all tests that share them (tests/support/scheduling.py). Three, since tests wait a good deal.
test: init ## Run the tests
	$(RUN)/pytest -n 3 --dist loadscope --no-loadscope-reorder --ignore=tests/charts --ignore=tests/e2e

test-charts: init ## Run the tests of the charts: needs helm, helm-unittest, helm-docs, kubectl and promtool
	$(RUN)/pytest tests/charts

charts: init ## Write the charts' schemas and READMEs anew: needs helm-docs
	$(RUN)/python charts/schema.py
	helm-docs --chart-search-root charts --template-files ./README.md.gotmpl --sort-values-order file --log-level warning

charts-golden: init ## Write the charts' golden renders anew: needs helm
	PYTHONPATH=tests $(RUN)/python -m support.charts

test-unit: init ## Only those that start no server
	$(RUN)/pytest tests/unit tests/contracts

test-integration: init ## Only those on the real parts
	$(RUN)/pytest tests/integration tests/operator

test-oracle: init ## Availability against the oracle, at every change of every zone's clocks: about two minutes
	ORACLE=all $(RUN)/pytest -s tests/unit/booking/test_oracle.py

test-chaos: init ## Kill everything while clients book, and judge: make test-chaos OPERATIONS=100000 SEED=7
	SEED=$(or $(SEED),$(shell date +%s)) OPERATIONS=$(or $(OPERATIONS),10000) $(RUN)/pytest -s tests/chaos

kustomize: init ## Write kustomize/ anew from the charts: needs helm
	$(RUN)/python -m devstack.kustomize

settings: init ## Write the tables of docs/settings.md anew from the settings classes
	$(RUN)/python -m devstack.settings_page

events: init ## Write docs/events anew from the contracts
	$(RUN)/python -m contracts docs/events

RELEASES ?= https://releases.example/slotwright

plugin: init ## Pack kubectl slotwright for Krew into dist/. RELEASES=the URL below which v<version>/ will stand
	$(RUN)/python cli/package.py --releases $(RELEASES)

demo: init ## Start the whole platform and show its main job done
	$(RUN)/python -m devstack.demo

up: init ## Start the whole platform on this machine; Ctrl-C stops it. BACKING=compose: servers in containers
	SLOTWRIGHT_BACKING=$(BACKING) $(RUN)/python -m devstack up

down: init ## Stop it
	$(RUN)/python -m devstack down

status: init ## What of it runs, and where
	$(RUN)/python -m devstack status

logs: init ## Follow the log of one part: make logs NAME=booking
	$(RUN)/python -m devstack logs $(NAME)

build: init ## Fetch and build what a first start would
	$(RUN)/python -m devstack build

bench: bench-booking bench-reminders bench-gateway bench-operator ## All of the following but bench-cluster: about an hour and a quarter

bench-gateway: init ## Requests a second through the gateway against straight to the service
	$(RUN)/python bench/edge.py

bench-booking: init ## Bookings in SQL and over HTTP, under contention, free slots, the outbox
	$(RUN)/python bench/bookings.py --plot docs/availability-cost.svg

bench-operator: init ## Tenants: against a plain script, over a restart, memory, changes, a changed plan
	$(RUN)/python bench/tenants.py --plot docs/operator-cost.svg

bench-reminders: init ## Due timers a second, against PgQueuer and procrastinate; beside an old transaction; how late
	$(RUN)/python bench/reminders.py

bench-cluster: init ## Images, time to ready, memory, and failures in a rolling upgrade: in a kind cluster of its own
	$(RUN)/python bench/cluster.py

cluster: init ## Make the kind cluster of dev/cluster/kind.yaml (docs/develop.md)
	$(RUN)/python -m devstack.cluster create

kind-up: init ## The platform in that cluster: images, Secrets, charts, sample business
	$(RUN)/python -m devstack.cluster up

kind-down: ## Remove that cluster
	kind delete cluster --name slotwright

e2e: init ## Test it in a kind cluster of the tests' own; needs docker, kind, kubectl, helm and tilt
	$(RUN)/pytest tests/e2e

clean: ## Remove what `init` and the checks made
	rm -rf .venv .tools dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
