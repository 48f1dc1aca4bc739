# Tollgate. `make demo` and `make test` are all that a newcomer needs; both do their own set-up.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PORT     ?= 4000
DATA_DIR ?=
FUZZTIME ?= 10s
BENCH    ?=
ONLY     ?=

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0-dev)
BINARY  := build/tollgate
# -buildvcs=false: the version is given, and a checkout that belongs to another user builds as well.
# -tags grpcnotrace: the exporters of OpenTelemetry bring gRPC, whose debug pages would add seven megabytes.
GOBUILD := go build -trimpath -buildvcs=false -tags grpcnotrace -ldflags "-s -w -X tollgate/internal/cli.buildVersion=$(VERSION)"

GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GITLEAKS := github.com/zricethezav/gitleaks/v8@v8.30.1

# The most that the binary may weigh, in bytes.
MAX_SIZE := 40000000

.PHONY: help demo build build-openssl image release test test-go test-soak test-openssl test-litellm test-live test-costs test-locus \
  test-tutorials test-clients test-compose test-kubernetes test-integrations check fmt vet tidy lint arch docs-check secrets fuzz bench bench-integrations docs docs-build docs-reference clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

demo: build ## build and run the gateway in front of the simulator (PORT, DATA_DIR)
	@exec $(BINARY) demo --port $(PORT) $(if $(DATA_DIR),--data-dir "$(DATA_DIR)")

# Everything that a build says goes to standard error: the first word that begins with sk- on the demo's standard
# output is its key.
build: ## build the static binary build/tollgate
	@echo "building $(BINARY) $(VERSION) (the first build downloads and compiles the modules)" >&2
	@CGO_ENABLED=0 $(GOBUILD) -v -o $(BINARY) ./cmd/tollgate >&2
	@size=$$(stat -c %s $(BINARY)); echo "$(BINARY): $$(( size / 1000 )) kB" >&2; \
	if (( size > $(MAX_SIZE) )); then echo "$(BINARY) is larger than $(MAX_SIZE) bytes" >&2; exit 1; fi

build-openssl: ## build build/tollgate-openssl, which signs with OpenSSL's libcrypto (needs libssl-dev)
	@test/setup/openssl.sh >&2
	@CGO_ENABLED=1 $(GOBUILD) -tags openssl,grpcnotrace -o $(BINARY)-openssl ./cmd/tollgate >&2
	@ls -l $(BINARY)-openssl >&2

image: ## build the container image and load it into Docker, where there is one
	@deploy/release/run image

release: ## build dist/: binaries, image, checksums, SBOM, provenance
	@deploy/release/run

test: ## run all tests: Go with the race detector, real clients in Python and Node
	@go build -o build/suite ./test/suite
	@build/suite $(if $(ONLY),-only $(ONLY))

test-go: ## run the Go tests only
	@$(MAKE) --no-print-directory test ONLY=go

test-soak: build ## the long tests: ten minutes without a database under load, reports over ten million rows (an hour)
	@go test -count=1 -tags soak -run Soak -timeout 3h -v ./test/e2e

test-openssl: ## test the signer that uses OpenSSL
	@$(MAKE) --no-print-directory test ONLY=openssl

test-litellm: ## run the same requests through the real LiteLLM proxy and list the differences
	@test/litellm/run

test-live: ## ask a running gateway the questions of a first day (LITELLM_GATEWAY_URL, LITELLM_GATEWAY_KEY; without them the demo)
	@test/live/run

test-costs: ## check keys, budgets and spend of a running gateway (the same variables)
	@test/costs/run

test-locus: ## run the Locus SDK through the gateway, on every chat alias
	@test/locus/run

test-tutorials: ## run the Locus repository's tutorials against the demo (DIR is a checkout of it)
	@test/tutorials/run "$(DIR)"

test-clients: ## run the companions and other clients against the demo
	@test/clients/run

test-compose: ## bring up examples/oci with a real Docker engine and run test-live and test-costs through it (root)
	@test/compose/run

test-integrations: ## every integration against its real backend, SeaweedFS too, which takes minutes to build once
	@test/setup/seaweedfs.sh && test/setup/moto.sh
	@go test -count=1 -tags seaweedfs -run SeaweedFS ./internal/s3 ./internal/cache/s3store ./internal/callback/s3archive
	@test/integrations/run

test-kubernetes: ## install, upgrade, roll back and remove the chart on a real Kubernetes API (root)
	@test/kubernetes/run

check: fmt vet tidy arch docs-check secrets lint ## everything that must hold before a commit

fmt:
	@out=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [[ -n $$out ]]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi

vet:
	go vet ./...

tidy:
	go mod tidy -diff

arch:
	go test -count=1 .

lint:
	go run $(GOLANGCI) run ./...

docs-check: ## compare docs/reference with what the program says of itself
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	go run ./cmd/tollgate docs "$$dir"; \
	for page in "$$dir"/*.md; do \
	  diff -u "docs/reference/$$(basename "$$page")" "$$page" || { echo "docs/reference is out of date: make docs-reference"; exit 1; }; \
	done

secrets:
	go run $(GITLEAKS) dir --no-banner --redact --config .gitleaks.toml .

docs: ## build the documentation strictly and serve it on 127.0.0.1:8000
	@docs/build --serve

docs-build: ## build the documentation strictly into build/docs
	@docs/build

docs-reference: ## write the generated pages of docs/reference
	go run ./cmd/tollgate docs docs/reference

fuzz: ## run every fuzz target for FUZZTIME
	@test/fuzz.sh $(FUZZTIME)

bench: ## measure the gateway against a reverse proxy (BENCH holds further options)
	go run ./bench $(BENCH)

bench-integrations: ## measure each guardrail, cache and callback on against off (BENCH holds further options)
	go run ./bench/integrations $(BENCH)

clean: ## remove what was built, the virtual environment included
	rm -rf build .cache test/sdk/node/node_modules
