# Verbs for people and for CI. `make help` prints them with the texts after `##`.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Arguments for `make demo`, `make dev` and `make bench`: make dev ARGS="--ephemeral"
ARGS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup setup-all fmt lint build test tests ruby deny demo dev bench bench-ruby callgrind doc clean

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## install what is missing (PostgreSQL's programs), or say what to install
	@scripts/setup.sh

setup-all: ## as setup, and for the bindings: Ruby, its headers, the gems of its specs
	@scripts/setup.sh all

demo: setup ## run two workflows on a private PostgreSQL and show their progress
	$(CARGO) run --quiet --locked -p tasker-cli --bin tasker -- demo $(ARGS)

dev: setup ## run everything in one process, with a database kept in .tasker/pg
	$(CARGO) run --quiet --locked -p tasker-cli --bin tasker -- dev $(ARGS)

build: ## build programs, bindings and tests (after `make setup-all`)
	$(CARGO) build --workspace --all-targets --locked

test: setup-all lint build tests ruby ## do all set-up and run every check and test

# The built program, not `cargo run`: that would build its dependencies once more,
# with the features of one crate in place of those of the workspace.
tests: ## run the tests alone, on a private PostgreSQL, after `make build`
	$(TARGET)/debug/with-cluster -- $(CARGO) test --workspace --locked --no-fail-fast

ruby: ## run the specs of the Ruby gem and install it for a try, after `make build`
	CARGO_TARGET_DIR="$(abspath $(TARGET))" $(TARGET)/debug/with-cluster -- rake -C bindings/ruby PREBUILT=1 default gem:test

fmt: ## format all code
	$(CARGO) fmt --all

lint: ## check formatting and run clippy, warnings being errors
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

deny: ## check licences, bans and advisories of dependencies (needs cargo-deny)
	$(CARGO) deny --locked check

bench: setup ## measure everything in release mode, and write docs/benchmarks.md
	$(CARGO) build --release --locked -p tasker-bench -p tasker-orchestration -p tasker-worker-rust -p tasker-cli
	$(TARGET)/release/tasker-bench $(or $(ARGS),all --write docs)

bench-ruby: setup-all ## measure the Ruby gem in release mode, and write docs/benchmarks-ruby.md
	$(CARGO) build --release --locked -p tasker-bench -p tasker-orchestration -p tasker-testkit -p tasker-ruby
	CARGO_TARGET_DIR="$(abspath $(TARGET))" rake -C bindings/ruby PREBUILT=1 PROFILE=release compile
	CARGO_TARGET_DIR="$(abspath $(TARGET))" TASKER_TEST_PROFILE=release \
		$(TARGET)/release/with-cluster --durable -- ruby bindings/ruby/bench/report.rb run $(ARGS)

callgrind: ## count the instructions of work on templates and outcomes (needs valgrind)
	@command -v valgrind >/dev/null || { echo "install valgrind first (Debian, Ubuntu: apt-get install valgrind)" >&2; exit 1; }
	$(CARGO) build --release --locked -p tasker-bench --example callgrind
	$(TARGET)/release/examples/callgrind

doc: ## build the API documentation, warnings being errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

clean: ## remove what was built; the database in .tasker stays
	$(CARGO) clean
