# make alone lists the targets.
export GOTOOLCHAIN = go1.27.3

# Without this, a program that is built with the race detector sleeps for a second at its end.
export GORACE ?= atexit_sleep_ms=0

# T is how long each fuzz target, or the soak, runs.
T ?= 30s
# FORMAT is the output of codes: text, markdown, json, summary.
FORMAT ?= text
# REPRODUCE=1 builds what leaves this machine twice, in different places, and compares.
REPRODUCE ?= 1
GO ?= go
NEED = deploy/prerequisites.sh $$(deploy/packages.sh
BIN = mkdir -p bin && test -w bin || \
	{ echo "tlagate: cannot write to $(CURDIR)/bin: use a clone that you may write to" >&2; exit 1; }

.DEFAULT_GOAL := help
.PHONY: help need build ifd install test smoke slow arm check cross packages bench claims conformance codes fuzz soak \
	demo fresh units pictures vuln clean

help: ## this list
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

need: ## install the Debian packages that build, test, check and cross need
	@$(NEED) build test check cross)

build: ## build the programs into bin/
	@$(BIN)
	@$(NEED) build)
	@deploy/compile.sh -trimpath -tags pkcs11 ./cmd/...
	$(GO) build -trimpath -tags pkcs11 -o bin/ ./cmd/...
	@deploy/ifd.sh bin/libtlagate-ifd.so

ifd: ## build the reader driver for pcscd, bin/libtlagate-ifd.so
	@$(BIN)
	@$(NEED) build)
	deploy/ifd.sh bin/libtlagate-ifd.so

install: ifd ## put the reader driver in place, and its readers unless there are some (DESTDIR=: below that directory)
	install -D -m 0644 bin/libtlagate-ifd.so $(DESTDIR)/usr/lib/pcsc/drivers/serial/libtlagate-ifd.so
	test -e $(DESTDIR)/etc/reader.conf.d/tlagate || \
		install -D -m 0644 deploy/examples/reader.conf $(DESTDIR)/etc/reader.conf.d/tlagate

# Without the checks of unsafe pointers that the race detector brings in SQLite, which is C translated to Go: they take a
# third of the time of what opens a database.
RACE = -race -gcflags='modernc.org/...=-d=checkptr=0'

# integration first: it takes the longest, and waits more than it works.
test: ## run all tests, with the race detector, in a world of their own
	@$(NEED) build test)
	@deploy/prometheus.sh bin/prometheus
	@deploy/compile.sh $(RACE) -test ./...
	$(GO) test $(RACE) -count=1 -timeout 30m -p 4 ./integration ./...

smoke: ## run each benchmark once, and the short form of each other command of make claims, several at once
	@$(NEED) build test bench)
	$(GO) run ./integration/claims -small

slow: ## run what takes longer than test: many sessions and their memory, claims, arm, and integration without read-ahead (an hour)
	@$(NEED) build test bench)
	SLOW=1 $(GO) test -race -count=1 -timeout 0 -v -run TestManySessions ./gateway
	$(GO) run ./integration/claims
	$(GO) run ./integration/bench -memory
	READ_AHEAD=64 $(GO) test -count=1 -timeout 0 ./session
	READ_AHEAD=0 $(GO) test -count=1 -timeout 0 ./integration
	$(MAKE) arm

arm: ## run the relay for arm64 in an emulator, in a real session
	@$(NEED) build test cross)
	PROGRAMS=tla-relay deploy/cross.sh bin/arm arm64
	TLAGATE_ARM64_BIN=$(CURDIR)/bin/arm/arm64 $(GO) test -count=1 -v -run TestEL2Arm ./integration

check: ## gofmt, 120 columns, go vet, staticcheck, shellcheck
	@$(NEED) build check)
	deploy/check.sh

cross: ## build for amd64, arm64 and armhf into dist/, twice, and compare (REPRODUCE=: once)
	@$(NEED) cross)
	REPRODUCE=$(REPRODUCE) deploy/cross.sh

packages: cross ## make the Debian packages of the relay in dist/, twice, and compare
	REPRODUCE=$(REPRODUCE) deploy/deb.sh

bench: ## time an APDU and a visit: local reader, stunnel, tlagate; opens with and without a trace; lists
	@$(NEED) build test bench)
	$(GO) run ./integration/bench
	$(GO) test -run '^$$' -bench 'SA2Open|List' ./gateway

claims: ## make the figures of README and docs again, and print them in the form that they have there
	@$(NEED) build test bench)
	$(GO) run ./integration/claims

conformance: ## run the suites whose data you name: PKITS=DIR BETTERTLS=FILE LIMBO=FILE BORINGSSL=DIR
	@$(NEED) build)
	@test -n "$(PKITS)$(BETTERTLS)$(LIMBO)$(BORINGSSL)" || { echo "give the data of a suite: docs/conformance.md"; exit 2; }
	PKITS=$(abspath $(PKITS)) BETTERTLS=$(abspath $(BETTERTLS)) LIMBO=$(abspath $(LIMBO)) \
		BORINGSSL=$(abspath $(BORINGSSL)) $(GO) test -count=1 -timeout 60m -v \
		-run 'TestPKITS|TestBetterTLS|TestLimbo|BoringSSL' ./cmd/tla-pki ./pki/revocation

codes: ## print the annex's sentences and what each lacks, compared with the source (FORMAT=json, markdown)
	@$(NEED) build)
	@$(GO) run ./integration/codes/cmd/codes -format $(FORMAT)

fuzz: ## run every fuzz target for T (make fuzz T=30s)
	@$(NEED) build)
	deploy/fuzz.sh $(T)

soak: ## mix visits, card changes and restarts for T (T=10m); 1 000 sessions for T; 10 000 exchanges with 1 000 faults
	@$(NEED) build test)
	SOAK=$(T) $(GO) test -count=1 -timeout 0 -v -run TestSoak ./integration

demo: ## read cards through the gateway on this machine (DEMO=auto: no questions)
	@$(BIN)
	@$(NEED) build demo)
	@deploy/compile.sh -trimpath -tags pkcs11 ./cmd/... ./integration/demo
	$(GO) run -trimpath -tags pkcs11 ./integration/demo

fresh: ## run demo and tests in a fresh minimal Debian 12, then in a Debian 13
	deploy/fresh.sh

units: build ## try the units in a booted Debian 12 and 13, in a container: sandbox, restarts, watchdog, a card
	deploy/units.sh

pictures: ## draw docs/pictures/*.svg again from the .dot files beside them
	@$(NEED) pictures)
	deploy/pictures.sh

vuln: ## look for known vulnerabilities in what we depend on
	@$(NEED) build)
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

clean: ## remove what was built
	rm -rf bin dist
