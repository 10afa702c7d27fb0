# The two main targets are `make bench` and `make test`. `make help` lists all targets.

PROVIDER ?= auto
GOFUMPT     := go run mvdan.cc/gofumpt@v0.12.0
STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
# The program that looks is built by the toolchain that is here, which has compiled most of it already.
GOVULNCHECK := go run -exec "env GOTOOLCHAIN=$$(sed -n 's/^toolchain //p' go.mod)" golang.org/x/vuln/cmd/govulncheck@v1.9.0
# Only the race detector needs C, and a C compiler. Without C elsewhere nothing is compiled a third time for the image.
export CGO_ENABLED := 0
RACE := $(shell command -v gcc >/dev/null 2>&1 && echo -race)
RACE_GO := env CGO_ENABLED=$(if $(RACE),1,0) go

# The first build of a program compiles all of its dependencies, which takes minutes, and go build prints nothing meanwhile.
compiling = [ -x $(1) ] || echo "compiling $(1): the first build takes a few minutes"

.PHONY: help demo ab capacity calibrate bench bench-smoke bench-go bench-server bench-generator bench-streams soak test compiled test-servers test-simulations test-containers test-load test-short lint vuln build clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

demo: build ## start the whole reference system with a light load, and print the address of its pages
	@bin/headroom serve --demo --provider $(PROVIDER)

bench: build ## run the reference scenario against the reference API
	@bin/headroom run scenarios/reference.yaml --provider $(PROVIDER)

bench-smoke: build ## the same chain with ten seconds of load
	@bin/headroom run scenarios/smoke.yaml --provider $(PROVIDER)

ab: build ## did the working tree get slower than the commit at which it left the default branch? BASE=REF names another
	@bin/headroom ab regression --provider $(PROVIDER) $(if $(BASE),--base $(BASE))

capacity: build ## find how many requests a second the reference system takes at P95 < 50 ms (8 minutes)
	@bin/headroom capacity capacity --provider $(PROVIDER)

calibrate: build ## measure how small a change experiments find on this machine (an hour, in which it should be idle)
	@bin/headroom calibrate --provider $(PROVIDER)

bench-go: ## run the Go benchmarks, with allocations
	go test -run '^$$' -bench . -benchmem ./...

bench-server: ## compare the reference server with nginx, net/http, Gin, go-redis, and pgx (about 8 minutes)
	@$(call compiling,bin/bench-server)
	@go build -o bin/bench-server ./cmd/bench-server
	@bin/bench-server --markdown bin/bench-server.md

bench-generator: build ## compare the load generator with wrk, h2load, fortio, bombardier, hey, vegeta, and k6 (about 5 minutes)
	@$(call compiling,bin/bench-generator)
	@go build -o bin/bench-generator ./cmd/bench-generator
	@bin/bench-generator --markdown bin/bench-generator.md

soak: build ## does anything grow in 20 minutes? memory, files, goroutines and P95; DURATION=1h for an hour, DURATION=3m WARMUP=1m for a short look
	@DURATION=$(or $(DURATION),20m) bin/headroom run soak --provider $(PROVIDER)

bench-streams: ## 10,000 subscribers in one process: memory of generator and server, and delivery (about a minute)
	go test -run '^$$' -bench TenThousandSubscribers -benchtime 1x ./cmd/headroom

# These packages and their tests start no goroutines, so that the race detector would find nothing in them, and their
# simulations would take minutes with it. TestRoomsWithoutGoroutines holds that of all but results/history. What takes longest
# begins first, here and where packages are named below.
WITHOUT_RACE := ./results/capacity ./results/judge ./imports ./scenarios ./reports ./reports/export ./results/... ./loadgen/arrival ./loadgen/procstat ./loadgen/random ./loadgen/record ./loadgen/recording ./loadgen/request ./loadgen/sse ./loadgen/wire/http1 ./server/forecast ./server/tuning ./server/policy/assemble ./server/policy/examples ./server/web/generate ./server/graphql/generate ./server/cache/codec ./server/cache/glob ./server/cache/report
PURE = $$(go list $(WITHOUT_RACE) | grep -v /history)
RACED = $$(go list -f '{{if .GoFiles}}{{.ImportPath}}{{end}}' ./... | grep -v /cmd/ | grep -vxF "$(PURE)")
# TAGS=docker adds the tests that need containers.
TAGS ?=

# What the race detector looks at is compiled before any test runs, because compilers would disturb the tests that measure.
# Programs are not linked: no test runs them with the race detector. `make lint` vets the code. The groups of tests run one
# after the other: servers answer too late beside simulations, and what sends load by the clock looks at how busy the machine is.
test: compiled ## run all tests, with the race detector where a C compiler is installed (16 minutes)
	$(MAKE) --no-print-directory test-servers
	$(MAKE) --no-print-directory test-load
	$(MAKE) --no-print-directory -j 2 --output-sync test-simulations $(if $(TAGS),test-containers)

compiled:
	$(RACE_GO) build $(RACE) $(RACED)

# Of the two that begin, the first computes and the second waits.
test-servers:
	$(RACE_GO) test $(RACE) -vet=off -p 2 -parallel 4 -timeout 15m ./server/store ./containers ./server/cache ./server/api ./server/web $$(echo "$(RACED)" | grep -v /loadgen)

# Simulations, and whole processes whose figures do not matter.
test-simulations:
	go test -vet=off -p 3 -timeout 15m ./cmd/bench-generator ./cmd/bench-server $(PURE)

# They mostly wait for the engine.
test-containers:
	$(RACE_GO) test $(RACE) -vet=off -count=1 -timeout 10m -tags docker -run 'Docker|Image|Container|Engine' ./containers

# The tests of the program run it as a process, in which the race detector would see nothing, and the arithmetic of TestHiccup
# assumes the speed without it.
test-load:
	go test -vet=off -parallel 4 -timeout 15m $(if $(TAGS),-tags $(TAGS)) ./cmd/headroom
	$(RACE_GO) test $(RACE) -vet=off -parallel 4 -timeout 15m -skip TestHiccup ./loadgen
	$(RACE_GO) test $(RACE) -vet=off -p 2 -parallel 4 -timeout 15m ./loadgen/search $$(echo "$(RACED)" | grep /loadgen/) ./cmd/bench-capacity ./cmd/internal/sidebyside
	go test -vet=off -count=1 -run TestHiccup ./loadgen

# Whole runs, Postgres and cache processes, and the race detector are part of `make test` only.
test-short: ## run the tests that need no real-time load, servers, or browser (under three minutes)
	go test -short -p 2 -skip 'TestIntervalCovers|TestPairErrors|TestUnchangedServer|TestSearch(Covers|FindsQueues)|TestRecordedNoise|TestReportInBrowser' ./scenarios ./results/... ./reports ./loadgen/... ./cmd/internal/... ./server/tracing
	go test -short -run 'House|Docs|Begin|Suggests|Version|Completion|Validate|NoPlaceToWrite|Doctor' ./cmd/headroom

lint: ## check formatting, vet, and staticcheck
	@out=$$($(GOFUMPT) -l .); [ -z "$$out" ] || { echo "not formatted (run gofumpt -w):"; echo "$$out"; exit 1; }
	go vet -tags docker ./... # the tag adds the tests that need containers and leaves out no file
	go test -vet=off ./cmd/internal/systems # the types as macOS has them
	$(STATICCHECK) ./...

# The vulnerability database comes as a Go module, so a machine that can reach only a module proxy can use it. The
# standard library that is checked is that of the toolchain in go.mod.
vuln: ## check for known vulnerabilities in the code that is called, including the standard library
	@db=$$(go mod download -json golang.org/x/vulndb@latest | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'); \
	[ -d "$$db/data/osv" ] || { echo "no vulnerability database: go mod download golang.org/x/vulndb@latest failed"; exit 1; }; \
	$(GOVULNCHECK) -db "file://$$db/data/osv" ./...

build: ## build bin/headroom
	@$(call compiling,bin/headroom)
	@go build -o bin/headroom ./cmd/headroom

clean: ## remove built programs and saved runs
	rm -rf bin results/runs results/experiments results/capacities
