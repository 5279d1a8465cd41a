# Go is all that has to be there: PostgreSQL servers are found or fetched by
# internal/pgcluster, the rest is installed by scripts/test-deps.sh.
GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
TEST_MAJORS ?= 10 11 13 15 16 17 18
TEST_FLAGS ?= -race
# How long make soak takes, about, and the draws it repeats; none: new ones.
SOAK_TIME ?= 10m
SOAK_SEED ?=

.PHONY: build demo test test-cutover test-short soak lint bench servers deps docs

build: ## the program, as ./pgparity
	$(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o pgparity ./cmd/pgparity

demo: ## two servers, replication, damage, and what verify says of it
	$(GO) run -ldflags "-X main.version=$(VERSION)" ./cmd/pgparity demo

test: deps servers ## everything, on real servers of seven majors
	$(GO) test $(TEST_FLAGS) -timeout 30m ./...
	$(GO) test -run 'TestMemory|TestHeavy' ./cmd/pgparity ./checker ./hashing

test-cutover: servers ## the switch under faults, kills and load, some minutes
	PGPARITY_TEST_CUTOVER=all $(GO) test $(TEST_FLAGS) -count=1 -timeout 60m ./cutover

test-short: ## less than a minute: fewer cases, no long scenarios
	$(GO) test -short ./...

soak: servers ## verify again and again while the pair is written to and damaged
	SOAK_TIME=$(SOAK_TIME) SOAK_SEED=$(SOAK_SEED) $(GO) test $(TEST_FLAGS) -count=1 -v -timeout 0 -run TestSoak ./internal/soak

lint: ## golangci-lint, built from tools/go.mod
	$(GO) vet ./...
	$(GO) tool -modfile=tools/go.mod golangci-lint run ./...

bench: servers ## ratios against reading the tables out; rewrites docs/performance.md
	$(GO) run ./internal/bench

servers: ## fetch what the tests need; quick when all is there
	$(GO) run ./internal/pgcluster/fetch $(TEST_MAJORS)

deps: ## what else the tests use, where it is missing
	scripts/test-deps.sh

docs: ## rewrite generated parts of docs/
	$(GO) test ./config ./preflight -run TestDocs -update
