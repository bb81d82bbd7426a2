# The two commands that a newcomer needs: `make devnet` and `make test`.
# Each target installs what it is missing (scripts/setup.sh).

SHELL := /bin/bash
CARGO := ./scripts/cargo
NODE_BIN := $(CURDIR)/bridge/contracts/node_modules/@foundry-rs
TOOLS := $(NODE_BIN)/forge-linux-amd64/bin:$(NODE_BIN)/anvil-linux-amd64/bin:$(NODE_BIN)/cast-linux-amd64/bin
export CARGO_TARGET_DIR ?= $(HOME)/.cache/mooring/target
export PATH := $(TOOLS):$(PATH)
MOORING := $(CARGO_TARGET_DIR)/debug/mooring
DENY_VERSION := 0.20.2
# State tests of an execution-spec-tests release.
EEST_DIR ?= ../shared/fixtures/eest-state-tests.tar.xz
DENY := $(HOME)/.cache/mooring/tools/bin/cargo-deny

.PHONY: help setup build devnet devnet-down test test-rust test-contracts conformance conformance-rpc determinism durability hostile fuzz lint fmt bench artifacts vectors

help: ## This list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: ## Install what is missing
	@./scripts/setup.sh

build: setup ## Build the `mooring` binary
	$(CARGO) build --locked --workspace --bins

devnet: build ## L1, contracts, 4 validators and 4 relayers, on this machine
	$(MOORING) testnet up

devnet-down: ## Stop the devnet that runs in the background
	$(MOORING) testnet down

test: test-contracts test-rust ## Everything, under 30 minutes on 2 cores

test-contracts: setup ## Solidity: format, unit, fuzz and invariant tests, stale artifacts
	cd bridge/contracts && npm test

test-rust: setup ## Rust: unit, property, integration and end-to-end tests
	$(CARGO) test --locked --workspace
	@command -v cometbft >/dev/null || echo "skipped: CometBFT as an external engine (no cometbft on PATH; Go is optional)"

conformance: setup ## The official EVM tests (EEST_DIR: directory or archive, FILTER: part of a name)
	$(CARGO) build --locked --workspace --example conformance
	$(CARGO_TARGET_DIR)/debug/examples/conformance $(if $(FILTER),--filter '$(FILTER)') '$(EEST_DIR)'

determinism: setup ## The golden hash of `make test` again, compiled without any optimisation and with all
	$(CARGO) test --locked -p mooring-stf --profile plain --test it golden
	$(CARGO) test --locked -p mooring-stf --profile release --test it golden

durability: build ## Power cuts, broken disks and flipped bytes, twenty times what `make test` runs
	MOORING_SEEDS=20000 $(CARGO) test --locked --workspace --test it -- --nocapture store:: flips:: process::

hostile: build ## What honest clients wait beside each attack (ATTACK: one of them)
	MOORING_ATTACK='$(ATTACK)' $(CARGO) test --locked --workspace --test it -- --ignored --nocapture hostile::others::waits

fuzz: setup ## Hostile bytes to decoders, snapshots, JSON-RPC and tries (TARGET: one of them; FUZZ_SECONDS: each, 60 if not told)
	./scripts/fuzz.sh $(TARGET)

lint: setup $(DENY) ## Formatting, clippy, docs, bans, licences, sources
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --quiet
	$(DENY) --offline --log-level error check bans licenses sources
	cargo fetch --quiet --locked --manifest-path fuzz/Cargo.toml
	$(DENY) --offline --log-level error --manifest-path fuzz/Cargo.toml --config deny.toml check bans licenses sources

$(DENY):
	cargo install --quiet --locked --root $(HOME)/.cache/mooring/tools cargo-deny@$(DENY_VERSION)

fmt: setup ## Format Rust and Solidity
	cargo fmt --all
	cargo fmt --manifest-path fuzz/Cargo.toml
	cd bridge/contracts && forge fmt

conformance-rpc: setup ## Ethereum's own JSON-RPC tests; RPC_COMPAT names them, a directory or a .tar.gz
	RPC_COMPAT=$${RPC_COMPAT:-$(CURDIR)/../shared/fixtures/execution-apis-tests.tar.gz} \
		$(CARGO) test --locked --workspace --test rpc_compat

bench: setup ## Figures of one node's state machine and of the devnet (docs/figures.md says how they were taken)
	$(CARGO) build --locked --workspace --bins --examples
	$(CARGO_TARGET_DIR)/debug/examples/pipeline
	$(CARGO_TARGET_DIR)/debug/examples/bench

artifacts: setup ## Write the committed ABI and bytecode again
	cd bridge/contracts && node tools/artifacts.mjs

vectors: setup ## Write bridge/vectors.json again
	UPDATE_VECTORS=1 $(CARGO) test --locked -p mooring-bridge vectors
