# The two commands: `make bench` and `make test`. Everything else is listed by `make help`.

PROVIDER ?= auto
GOFUMPT     := go run mvdan.cc/gofumpt@v0.12.0
STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := go run golang.org/x/vuln/cmd/govulncheck@v1.9.0
# The race detector needs a C compiler.
RACE := $(shell command -v gcc >/dev/null 2>&1 && echo -race)

# The first compilation of a program takes minutes, with what it is made of, and go build says nothing meanwhile.
compiling = [ -x $(1) ] || echo "compiling $(1): the first time takes some minutes"

.PHONY: help bench bench-smoke bench-go bench-server bench-generator test test-short lint vuln build clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

bench: build ## run the reference scenario against the reference API; exit code 0 pass, 99 fail, 125 invalid
	@bin/headroom run scenarios/reference.yaml --provider $(PROVIDER)

bench-smoke: build ## the same way in ten seconds of load
	@bin/headroom run scenarios/smoke.yaml --provider $(PROVIDER)

bench-go: ## the benchmarks of the code itself, with allocations
	go test -run '^$$' -bench . -benchmem ./...

bench-server: ## the reference server against nginx, net/http, Gin, go-redis and pgx; wrk is the client (about 8 minutes)
	@$(call compiling,bin/bench-server)
	@go build -o bin/bench-server ./cmd/bench-server
	@bin/bench-server --markdown bin/bench-server.md

bench-generator: build ## the load generator against wrk, h2load, fortio, bombardier, hey, vegeta and k6 (about 5 minutes)
	@$(call compiling,bin/bench-generator)
	@go build -o bin/bench-generator ./cmd/bench-generator
	@bin/bench-generator --markdown bin/bench-generator.md

test: ## all tests
	go build $(RACE) ./...
	go test $(RACE) -p 2 -timeout 15m ./loadgen/... ./cmd/headroom/... ./cmd/internal/... # these mostly wait
	go test $(RACE) -p 1 -timeout 15m ./cmd/bench-server ./cmd/bench-generator # these use the whole machine
	go test $(RACE) -p 2 -timeout 15m -skip 'TestIntervalCovers|TestCompareErrors|TestUnchangedServer' $$(go list ./... | grep -v -e /loadgen -e /cmd/)
	go test -run 'TestIntervalCovers|TestCompareErrors|TestUnchangedServer' ./results # simulations without goroutines: minutes with the race detector
	go test -count=1 -run TestHiccup ./loadgen # its arithmetic holds without the race detector only

# Whole runs, processes of Postgres and of caches, and the race detector are for `make test`.
test-short: ## the tests that need no load in real time, servers or browser: under three minutes
	go test -short -p 2 -skip 'TestIntervalCovers|TestCompareErrors|TestUnchangedServer|TestReportInBrowser' ./scenarios ./results ./reports ./loadgen/... ./cmd/internal/... ./server/tracing
	go test -short -run 'House|Docs|Begin|Suggests|Version|Completion|Validate|NoPlaceToWrite|Doctor' ./cmd/headroom

lint: ## formatting, vet, staticcheck
	@out=$$($(GOFUMPT) -l .); [ -z "$$out" ] || { echo "not formatted (run gofumpt -w):"; echo "$$out"; exit 1; }
	go vet ./... && go vet -tags docker ./...
	GOOS=darwin go vet ./...
	$(STATICCHECK) ./...

# The database of vulnerabilities comes as a module, so that a machine that reaches nothing but a module proxy has it
# too. The standard library that is judged is the one of the toolchain that go.mod names.
vuln: ## known vulnerabilities in what the code calls, standard library included
	@db=$$(go mod download -json golang.org/x/vulndb@latest | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'); \
	[ -d "$$db/data/osv" ] || { echo "no vulnerability database: go mod download golang.org/x/vulndb@latest failed"; exit 1; }; \
	GOTOOLCHAIN=$$(sed -n 's/^toolchain //p' go.mod) $(GOVULNCHECK) -db "file://$$db/data/osv" ./...

build: ## build bin/headroom
	@$(call compiling,bin/headroom)
	@go build -o bin/headroom ./cmd/headroom

clean: ## remove what was built and the saved runs
	rm -rf bin results/runs
