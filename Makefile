# Slipway. `make` alone prints what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT   := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
TOOLS    := $(CURDIR)/.cache/bin
GOLANGCI := $(TOOLS)/golangci-lint
GOLANGCI_VERSION := v2.15.0
SOURCES  := $(shell find cmd internal examples -name '*.go' -not -name '*_test.go' 2>/dev/null) go.mod go.sum

.PHONY: help
help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1m%-13s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what the demo and the tests need (apt, when root)
	@scripts/setup

bin/slipway: $(SOURCES) $(shell find internal examples -type f -not -name '*.go' -not -path '*/testdata/*' 2>/dev/null)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/bot

.PHONY: build
build: bin/slipway ## Build bin/slipway

.PHONY: demo
demo: setup bin/slipway ## Everything on this machine: a push, its run, the pages; then waits
	@scripts/demo $(DEMO_FLAGS)

.PHONY: demo-images
demo-images: ## What the demo builds the example's image with (root; takes minutes, once)
	@scripts/demo-images

.PHONY: test
test: setup ## All tests with the race detector
	@scripts/test

.PHONY: e2e
e2e: setup bin/slipway ## The real program, black box, with every real component
	@scripts/e2e

.PHONY: cluster-up
cluster-up: ## A real Kubernetes on this machine, and a registry (root; docs/how-to/test-cluster.md)
	@scripts/cluster up

.PHONY: cluster-down
cluster-down: ## End both
	@scripts/cluster down

.PHONY: bench
bench: setup bin/slipway ## The figures of docs/performance.md
	@scripts/bench

$(GOLANGCI):
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

.PHONY: lint
lint: $(GOLANGCI) ## golangci-lint with the import walls
	$(GOLANGCI) run ./...

.PHONY: golden
golden: ## Write the files anew that tests hold what people read against
	UPDATE_GOLDEN=1 $(GO) test $$(grep -rl --include='*_test.go' slipway/internal/golden internal | xargs -n 1 dirname | sort -u | sed 's|^|./|')

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin coverage.out
