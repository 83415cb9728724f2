SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Tests that run at once: more than two cores need, few enough that none waits long for its turn between two steps.
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH ?= 10
.PHONY: help build test lint format demo demo-dynamodb fire bench clean dependencies

help: ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 22

build: dependencies ## Build both programs for release: .build/release/penstock and dsql-emulator
	swift build -c release --product penstock
	swift build -c release --product dsql-emulator

test: dependencies ## Run all tests, against PostgreSQL servers that they start themselves (FILTER=regex for some)
	swift test --disable-xctest $(if $(FILTER),--filter '$(FILTER)')

lint: dependencies ## Check the format and style of Swift code and scripts
	swift format lint --strict --recursive Sources Tests migrations docs Package.swift
	shellcheck $$(grep -rlE '^#!.*\b(ba)?sh\b' scripts .ci docker bench 2>/dev/null)

format: ## Format the Swift code in place
	swift format --in-place --recursive Sources Tests migrations docs Package.swift

demo: ## Show the whole thing on this machine: load, follow, verify (SCALE=10 means 1 million rows)
	@scripts/demo

demo-dynamodb: ## Show three DynamoDB tables merged into one: load, follow, verify, with moto from PyPI (ITEMS=500 of each)
	@scripts/demo-dynamodb

fire: dependencies ## Run a pipeline under faults and writers, and compare (MINUTES=10, SEED=number to repeat one)
	PENSTOCK_FIRE_SECONDS=$$(($(or $(MINUTES),10) * 60)) PENSTOCK_SEED=$(SEED) \
	  swift test --disable-xctest --filter 'FireTests'

bench: dependencies ## Measure load, catch-up, latency and memory beside PostgreSQL's own tools
	@bench/run

clean: ## Remove everything that was built or measured
	rm -rf .build .demo .bench

dependencies:
	@scripts/install-dependencies
