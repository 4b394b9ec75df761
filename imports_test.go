package tlagate_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tlagate/integration/codes"

	"github.com/stretchr/testify/require"
)

// mayImport has, for each package of ours, which of ours it may import. A name covers the packages below it too, unless
// it ends in a dot; a package may always import those below itself.
var mayImport = map[string][]string{
	"cmd": {"internal/address", "internal/local", "internal/recipients", "pemfile", "heads", "tla", "pdt", "gateway",
		"ca", "ocsp", "bundle", "integrity", "est", "push", "pki", "session", "keys", "metrics", "audit", "dialer",
		"cmd/internal"},
	"cmd/internal/cli": {"internal/activation", "internal/address", "internal/notify", "pki", "keys", "dialer",
		"session/ahead", "session/user",
		"cmd/internal/owner", "cmd/internal/fips", "cmd/internal/memory"},
	"dialer":                  {"internal/address"},
	"tla":                     {"internal/address", "internal/local", "session", "bundle", "pki", "dialer"},
	"tla/atr":                 {},
	"tla/cards":               {"session", "tla/atr", "tla/pin"},
	"tla/cards/internal/pcsc": {"session"},
	"tla/cards/cardstest":     {"session", "tla/cards/internal/pcsc"},
	"tla/policy":              {"session", "tla/atr", "tla/pin"},
	"tla/cardsign":            {"session", "tla/pin", "tla/policy"},
	"tla/pin":                 {},
	"pdt":                     {"internal/address", "internal/local", "session", "pki", "dialer"},
	"pdt/ifd":                 {"internal/local", "pdt.", "session"},
	"pdt/vpcd":                {"pdt.", "session"},
	"tla/seat":                {},
	"tla/startkey":            {},
	"gateway": {"audit.", "audit/gauges", "audit/home", "audit/peers", "audit/persons", "session", "bundle",
		"est", "push", "pki", "metrics"},
	"gateway/enrolment": {"est", "pki"},
	"gateway/rates":     {"pki.", "pki/listen", "session/link"},
	"gateway/recent":    {},
	"gateway/state":     {"pki."},
	"gateway/api": {"audit.", "audit/export", "audit/index", "audit/peers", "gateway.", "internal/local",
		"internal/recipients", "session/incident", "push", "pki"},
	"gateway/api/client":          {"gateway/api.", "pki"},
	"gateway/fleet":               {"session/link", "pki."},
	"metrics":                     {"integrity"},
	"ca":                          {"internal/address", "est", "pki", "pemfile", "keys", "audit"},
	"ca/store":                    {"pemfile"},
	"ca/certify":                  {"pemfile"},
	"ca/crlwriter":                {},
	"ca/backup":                   {"ca", "internal/recipients"},
	"ca/server":                   {"audit.", "audit/peers", "heads", "ca", "est", "push", "pki"},
	"ca/officers":                 {"audit.", "audit/peers", "ca", "internal/address", "pki"},
	"ocsp":                        {"audit.", "pki", "metrics"},
	"pki/pkitest":                 {"pki", "pemfile"},
	"pki/listen":                  {"internal/proxyproto", "pki.", "pki/trust"},
	"push":                        {"internal/address", "pki"},
	"est":                         {"internal/address", "pki"},
	"bundle":                      {"internal/address", "pki", "pemfile", "session/user"},
	"integrity":                   {"audit.", "bundle", "pki.", "session/incident"},
	"keys":                        {"pemfile"},
	"pemfile":                     {},
	"internal":                    {},
	"internal/signed":             {"internal/algorithms"},
	"keys/pkcs11":                 {"keys"},
	"session":                     {},
	"session/ahead":               {},
	"session/incident":            {},
	"session/link":                {"session/incident", "session/internal", "session/proof", "session/ticket"},
	"session/proof":               {"internal/signed"},
	"session/consent":             {"internal/signed"},
	"session/proof/prooftest":     {"session/proof"},
	"session/user":                {},
	"session/ticket":              {"internal/signed"},
	"session/consent/consenttest": {"session/consent"},
	"integration":                 {"session", "pki", "pdt", "tla", "gateway", "audit", "integration"},
	"integration/lab":             {"pki", "pdt/ifd", "integration", "keys/keystest"},
	"integration/crowd":           {"session", "pki", "pemfile", "ca", "integration"},
	"integration/bench":           {"integration", "gateway"},

	// The layers of pki: each may import those above its line, and none of those below it.
	"pki":                   {"pemfile"},
	"pki/internal/certutil": {},
	"pki/internal/describe": {"pki."},
	"pki/crl":               {"pki.", "pki/internal", "pemfile"},
	"pki/rfc5280":           {"pki.", "pki/internal"},
	"pki/revocation":        {"pki.", "pki/internal", "pki/crl", "pemfile", "internal/address"},
	"pki/trust":             {"pki.", "pki/internal", "pki/revocation", "pki/rfc5280"},
	"pki/query":             {"pki/trust"},

	"audit":           {"internal/signed"},
	"audit/home":      {"audit."},
	"audit/host":      {"audit"},
	"audit/audittest": {"audit."},
	"audit/index":     {"audit."},
	"audit/export":    {"audit.", "audit/index", "internal/recipients"},
	"audit/persons":   {"internal/recipients", "keys"},
	"audit/peers":     {"audit.", "pki"},
	"audit/gauges":    {"audit.", "metrics"},
	"audit/siem":      {"audit.", "pki", "metrics", "internal/address"},
	"heads":           {"internal/signed", "audit.", "pki", "push", "internal/address"},
	"cmd/internal/trail": {"cmd/internal/room", "cmd/internal/cli", "cmd/internal/intact", "audit", "bundle", "keys",
		"integrity",
		"pemfile", "pki", "session/consent", "session/incident", "internal/recipients"},
	"cmd/internal/story":     {"audit.", "cmd/internal/sentences", "docs", "integrity", "pki."},
	"cmd/internal/sentences": {"bundle", "dialer", "pki", "session"},
	"docs":                   {},
	"cmd/internal/doctor": {"cmd/internal/room", "internal/address", "cmd/internal/cli", "cmd/internal/keycmd",
		"cmd/internal/seal", "cmd/internal/fips", "bundle", "keys", "pdt/ifd", "pki", "dialer"},
	"cmd/internal/seal": {"internal/address", "cmd/internal/cli", "cmd/internal/fips", "bundle", "est", "keys", "pki",
		"dialer"},
	"cmd/internal/intact": {"integrity", "bundle", "pki", "cmd/internal/cli", "internal/address"},
	"cmd/internal/flows":  {"internal/address", "cmd/internal/cli", "cmd/internal/flows"},
	"cmd/internal/keycmd": {"pki", "keys", "cmd/internal/cli"},

	"cmd/tla-relay/internal/words": {"bundle", "dialer", "pki", "session", "tla", "cmd/internal/enrol",
		"cmd/internal/keycmd", "cmd/internal/sentences"},
	"cmd/tla-relay/internal/screen":    {"tla", "cmd/tla-relay/internal/words"},
	"cmd/tla-relay/internal/relaytest": {"tla"},

	"cmd/internal/sandbox": {},
	"cmd/internal/memory":  {},
	"cmd/internal/room":    {},
	"cmd/internal/owner":   {},
	"cmd/internal/fips":    {"pki"},
}

// ground are the packages that every other may import: each does one thing, and imports none of ours.
var ground = []string{"internal/acts", "internal/algorithms", "internal/bucket", "internal/der", "internal/files",
	"internal/pulse", "internal/quick", "internal/ration", "internal/retry", "internal/stamp", "internal/tcp"}

// onlyIn has, for each dependency, the packages that may use it.
var onlyIn = map[string][]string{
	"C":                               {"tla/cards", "keys/pkcs11"},
	"github.com/ebfe/scard":           {"tla/cards", "integration"},
	"github.com/cloudflare/cfssl":     {"ca/certify"},
	"modernc.org/sqlite":              {"ca/store", "ca/catest", "ocsp"},
	"github.com/alecthomas/kong":      {"cmd"},
	"go.yaml.in/yaml/v3":              {"cmd/internal/cli", "integration/codes"}, // codes: docs/annexe7.yaml
	"github.com/prometheus":           {"gateway", "ocsp", "metrics", "audit/gauges", "audit/siem"},
	"github.com/ThalesGroup/crypto11": {"keys/pkcs11"},
	"github.com/google/go-tpm":        {"keys"},
	"charm.land/bubbletea/v2":         {"cmd/tla-relay/internal/screen"},
	"github.com/charmbracelet":        {"cmd/tla-relay/internal/screen"},
	"rsc.io/qr":                       {"cmd/tla-pki"},
	"github.com/pb33f":                {}, // tests alone
	"filippo.io/age": {"internal/recipients", "ca/backup", "audit/export", "audit/persons",
		"cmd/tla-pki"},
	"github.com/godbus/dbus": {"tla/seat"},
	"github.com/stretchr/testify": {"pki/pkitest", "keys/keystest", "tla/seat/seattest", "cmd/internal/owner/ownertest",
		"tla/cardsign/signtest", "integration"},
	"net/http/pprof":          {},
	"github.com/landlock-lsm": {"cmd/internal/sandbox"},
	"golang.org/x/crypto/cryptobyte": {"pki", "ocsp", "keys", "ca/crlwriter", "ca/server", "est", "bundle",
		"internal/der", "tla/cardsign"},
}

func TestImports(t *testing.T) {
	for pkg, imports := range listImports(t) {
		t.Run(pkg, func(t *testing.T) {
			for _, imp := range imports {
				if ours, ok := strings.CutPrefix(imp, "tlagate/"); ok && !onGround(pkg, ours) {
					allowed, known := rule(pkg)
					require.True(t, known, "%s has no line in mayImport", pkg)
					require.True(t, below(ours, append(allowed, pkg)), "%s may not import %s", pkg, ours)
				}
				for dep, where := range onlyIn {
					if below(imp, []string{dep}) {
						require.True(t, below(pkg, where), "%s may not use %s", pkg, imp)
					}
				}
			}
		})
	}
}

// onGround reports whether ours is one of ground, and pkg is not.
func onGround(pkg, ours string) bool {
	return slices.Contains(ground, ours) && !slices.Contains(ground, pkg)
}

// TestGroundIsPlain: the packages of ground import only the standard library, and cryptobyte for DER.
func TestGroundIsPlain(t *testing.T) {
	imports := listImports(t)
	for _, pkg := range ground {
		require.Contains(t, imports, pkg)
		for _, imp := range imports[pkg] {
			first, _, _ := strings.Cut(imp, "/")
			plain := !strings.Contains(first, ".") && first != "tlagate"
			plain = plain || below(imp, []string{"golang.org/x/crypto/cryptobyte"})
			require.True(t, plain, "%s may not use %s", pkg, imp)
		}
	}
}

// TestPEMIsReadInOnePlace: encoding/pem skips what it cannot read, so only package pemfile uses it; the exception is
// what tests read from other projects' suites.
func TestPEMIsReadInOnePlace(t *testing.T) {
	for file, text := range sourceFiles(t) {
		exempt := filepath.Base(file) == "pemfile.go" || strings.Contains(file, "/pki/pkitest/")
		require.True(t, exempt || !strings.Contains(text, "pem.Decode("), file)
	}
}

// TestFilesAreWrittenInOnePlace: code that makes its own temporary files forgets to sync them, or their directory.
func TestFilesAreWrittenInOnePlace(t *testing.T) {
	for file, text := range sourceFiles(t) {
		exempt := strings.HasSuffix(filepath.Dir(file), "/internal/files")
		require.True(t, exempt || !strings.Contains(text, "os.CreateTemp("), "%s: use internal/files", file)
	}
}

// TestC2ListenersAreMadeInOnePlace: Go's own ways to listen take Multipath TCP.
func TestC2ListenersAreMadeInOnePlace(t *testing.T) {
	listens := regexp.MustCompile(`net\.ListenConfig|net\.Listen\("tcp`)
	forTests := regexp.MustCompile(`/integration/|/pki/pkitest/|/internal/nettest/|/internal/tcp/`)
	for file, text := range sourceFiles(t) {
		require.True(t, forTests.MatchString(file) || !listens.MatchString(text), "%s: use internal/tcp", file)
	}
}

// sourceFiles returns the text of each of our files; tests are left out.
func sourceFiles(t *testing.T) map[string]string {
	out, err := exec.Command("go", "list", "-f", `{{range .GoFiles}}{{$.Dir}}/{{.}} {{end}}`, "./...").Output()
	require.NoError(t, err)
	found := map[string]string{}
	for _, file := range strings.Fields(string(out)) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		found[file] = string(text)
	}
	require.Greater(t, len(found), 100)
	return found
}

// TestNoCgoInPdT: all programs but the relay can be built everywhere.
func TestNoCgoInPdT(t *testing.T) {
	for _, program := range []string{"./cmd/tla-pdt", "./cmd/tla-gateway", "./cmd/tla-pki", "./cmd/tla-ocsp"} {
		out, err := exec.Command("go", "list", "-deps", "-f",
			"{{if .CgoFiles}}{{if not .Standard}}{{.ImportPath}}{{end}}{{end}}", program).Output()
		require.NoError(t, err)
		require.Empty(t, strings.TrimSpace(string(out)), "%s needs cgo", program)
	}
}

// TestNoMetricsInTheRelay: relay, PdT and tla-pki have no metrics and no listener for them, not even through another
// package (C1, EL2).
func TestNoMetricsInTheRelay(t *testing.T) {
	for _, program := range []string{"./cmd/tla-relay", "./cmd/tla-pdt", "./cmd/tla-pki"} {
		out, err := exec.Command("go", "list", "-deps", program).Output()
		require.NoError(t, err)
		require.NotContains(t, string(out), "github.com/prometheus", "%s", program)
		require.NotContains(t, string(out), "tlagate/metrics", "%s", program)
	}
}

// listImports returns the imports of each of our packages by its name without the module's prefix; tests are left out.
func listImports(t *testing.T) map[string][]string {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}{{if .CgoFiles}} C{{end}}`,
		"./...").Output()
	require.NoError(t, err)
	found := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		found[strings.TrimPrefix(fields[0], "tlagate/")] = fields[1:]
	}
	require.Greater(t, len(found), 5)
	return found
}

// rule returns the line of mayImport that is nearest above pkg.
func rule(pkg string) ([]string, bool) {
	for p := pkg; ; p = p[:strings.LastIndex(p, "/")] {
		if allowed, ok := mayImport[p]; ok {
			return allowed, true
		}
		if !strings.Contains(p, "/") {
			return nil, false
		}
	}
}

// below reports whether pkg is one of roots or is below one; a root that ends in a dot is that package alone.
func below(pkg string, roots []string) bool {
	return slices.ContainsFunc(roots, func(r string) bool {
		alone, yes := strings.CutSuffix(r, ".")
		return pkg == alone || !yes && strings.HasPrefix(pkg, r+"/")
	})
}

// A package that a newcomer can read has no more files and lines than this, tests left out, and a type no more methods.
const (
	mostFiles   = 30
	mostLines   = 4500
	mostMethods = 40
)

// larger has the reasons why a package, or a type, is larger all the same.
var larger = map[string]string{
	"cmd/tla-relay/internal/screen.model": "the screen is one state machine, as bubbletea wants it",
	"gateway.Gateway":                     "what peers ask of it, and what operators see and do",
	"integration/demo.demo":               "the steps of the demo, one after the other",
	"integration/lab.Lab":                 "what tests ask of a whole system",
}

func TestSizes(t *testing.T) {
	found := map[string]string{}
	for pkg := range listImports(t) {
		files, lines, methods := measure(t, pkg)
		if files > mostFiles || lines > mostLines {
			found[pkg] = fmt.Sprintf("%d files, %d lines", files, lines)
		}
		for kind, n := range methods {
			if n > mostMethods {
				found[pkg+"."+kind] = fmt.Sprintf("%d methods", n)
			}
		}
	}
	for name, size := range found {
		require.NotEmpty(t, larger[name], "%s has %s: split it, or say in larger why it cannot be smaller", name, size)
	}
	for name := range larger {
		require.NotEmpty(t, found[name], "%s is small enough by now: take it out of larger", name)
	}
}

// measure counts a package's files and lines, and the methods of each of its types.
func measure(t *testing.T, pkg string) (files, lines int, methods map[string]int) {
	t.Helper()
	methods = map[string]int{}
	names, err := filepath.Glob(filepath.Join(filepath.FromSlash(pkg), "*.go"))
	require.NoError(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		file, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
		require.NoError(t, err)
		files, lines = files+1, lines+bytes.Count(text, []byte("\n"))
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil {
				methods[codes.Receiver(f.Recv.List[0].Type)]++
			}
		}
	}
	return files, lines, methods
}
