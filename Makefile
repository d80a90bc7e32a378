# make help lists what there is. `run` and `test` need nothing but Go.

LINT := bin/golangci-lint

# The race detector needs a C compiler; go env says 0 where there is none.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

.DEFAULT_GOAL := help
.PHONY: help run test e2e lint fmt bench fuzz

help: ## what there is
	@grep -E '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: ## start hutong with the shipped config.yaml
	go run ./cmd/hutong run

test: ## vet and all unit tests; with the race detector where there is a C compiler
	@$(if $(RACE),true,echo "no C compiler: testing without the race detector")
	go vet ./...
	go test $(RACE) ./...

e2e: ## the real binary: kills, power cuts, full disks, hostile input, two browsers
	.ci/needs
	cd e2e && go vet ./... && go test ./... -count=1 -timeout=30m

lint: $(LINT) ## linters, layers and formatting; builds the linter first
	$(LINT) run ./...
	cd e2e && ../$(LINT) run ./...

fmt: $(LINT) ## format everything as lint wants it
	$(LINT) fmt ./...
	cd e2e && ../$(LINT) fmt ./...

bench: ## the figures that the README promises, as ratios, on this machine
	go run ./bench
	cd e2e && go test ./bench -run "^$$" -bench . -benchtime 1x -timeout 30m

fuzz: ## every fuzz target, FUZZTIME (10s) each
	@.ci/fuzz $${FUZZTIME:-10s}

$(LINT): tools/golangci-lint/go.mod tools/golangci-lint/go.sum
	cd tools/golangci-lint && go build -o ../../$(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint
