package integration

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/integration/world"
)

// kindsSeenIn names for each kind of event a test that sees its line: FILE TEST, or the file of a script. Those of
// this package, of cmd and of the scripts run the real programs.
var kindsSeenIn = map[audit.Kind]string{
	"program.start":         "integration/sa2_gateway_test.go TestSA2GatewayTrace",
	"program.stop":          "integration/sa2_gateway_test.go TestSA2GatewayTrace",
	"key.loaded":            "integration/el1_audit_test.go TestEL1RelayTrace",
	"key.created":           "cmd/tla-pki/testdata/script/audit.txtar",
	"key.replaced":          "integration/el1_audit_test.go TestEL1RelayTrace",
	"key.erased":            "integration/g2_life_test.go TestG2ATerminalsLife",
	"key.failed":            "cmd/tla-pki/testdata/script/audit.txtar",
	"certificate.loaded":    "integration/el1_audit_test.go TestEL1RelayTrace",
	"certificate.changed":   "integration/el1_audit_test.go TestEL1RelayTrace",
	"certificate.issued":    "cmd/tla-pki/testdata/script/audit.txtar",
	"certificate.revoked":   "cmd/tla-pki/testdata/script/audit.txtar",
	"certificate.released":  "cmd/tla-pki/testdata/script/audit.txtar",
	"anchor.loaded":         "integration/el1_audit_test.go TestEL1RelayTrace",
	"anchor.changed":        "integration/el1_audit_test.go TestEL1RelayTrace",
	"bundle.loaded":         "cmd/internal/trail/bundle_test.go TestEL1BundlesAreTraced",
	"bundle.changed":        "cmd/internal/trail/bundle_test.go TestEL1BundlesAreTraced",
	"bundle.refused":        "cmd/internal/trail/bundle_test.go TestEL1BundlesAreTraced",
	"seal.broken":           "integration/sp1_test.go TestSP1TamperingStopsTheProgram",
	"enrolment.begun":       "integration/g2_life_test.go TestG2ATerminalsLife",
	"enrolment.done":        "integration/g2_life_test.go TestG2ATerminalsLife",
	"enrolment.refused":     "cmd/internal/trail/bundle_test.go TestEL1EnrolmentsAndRenewalsAreTraced",
	"renewal.done":          "integration/el2_unit_test.go TestEL2UnitAllowsWhatTheRelayCalls",
	"renewal.failed":        "cmd/internal/trail/bundle_test.go TestEL1EnrolmentsAndRenewalsAreTraced",
	"erase.done":            "integration/g2_life_test.go TestG2ATerminalsLife",
	"access.accepted":       "integration/sa2_gateway_test.go TestSA2GatewayTrace",
	"access.refused":        "integration/sa2_gateway_test.go TestSA2GatewayTrace",
	"request.refused":       "integration/sa2_gateway_test.go TestSA2NoRoomForTheTrace",
	"link.cut":              "integration/sa2_home_test.go TestSA2ACutsIncident",
	"clone.suspected":       "integration/c1_fleet_test.go TestC1CloneOfATerminal",
	"consent.accepted":      "integration/sa2_gateway_test.go TestSA2GatewayTrace",
	"hybrids.omitted":       "integration/c3_hello_test.go TestC3BoxThatTakesNoLargeHello",
	"session.opened":        "integration/sa2_gateway_test.go TestSA2GatewayTrace",
	"session.resumed":       "gateway/trace_test.go TestSA2AFurtherLinksLines",
	"session.up":            "integration/sa2_home_test.go TestSA2LinesComeHome",
	"session.ended":         "integration/sa2_gateway_test.go TestSA2GatewayTrace",
	"session.failed":        "integration/sa2_home_test.go TestSA2LinesComeHome",
	"session.checked":       "integration/c4_ui_test.go TestC4UITestBeforeTheVisit",
	"session.refused":       "cmd/tla-relay/trace_test.go TestSA2SessionsAreTracedAtTheTerminal",
	"session.signed":        "cmd/tla-relay/trace_test.go TestSA2SessionsAreTracedAtTheTerminal",
	"operator.act":          "integration/sa2_keep_test.go TestSA2KeepHoldPurge",
	"config.loaded":         "integration/sa2_gateway_test.go TestSA2GatewayTrace",
	"config.changed":        "cmd/tla-gateway/trace_test.go TestEL1ConfigurationsAreTraced",
	"clock.back":            "audit/crash_test.go TestSA2ClockSetBackIsTold",
	"source.changed":        "cmd/tla-ocsp/main_test.go TestC2SA2RevokeWithTheRealPrograms",
	"responder.counted":     "cmd/tla-ocsp/main_test.go TestC2SA2RevokeWithTheRealPrograms",
	"ca.created":            "cmd/tla-pki/testdata/script/audit.txtar",
	"ca.clock":              "ca/clock_test.go TestC2AClockAhead",
	"arl.published":         "cmd/tla-pki/testdata/script/audit.txtar",
	"host.baseline":         "integration/el1_audit_test.go TestEL1RelayTrace",
	"host.kernel.changed":   "audit/host/host_test.go TestEL1HostDifferences",
	"host.os.changed":       "integration/el1_audit_test.go TestEL1RelayTrace",
	"host.program.changed":  "integration/el1_audit_test.go TestEL1RelayTrace",
	"host.packages.added":   "integration/el1_audit_test.go TestEL1RelayTrace",
	"host.packages.removed": "integration/el1_audit_test.go TestEL1RelayTrace",
	"host.packages.updated": "audit/host/host_test.go TestEL1HostDifferences",
	"host.packages.unknown": "audit/host/host_test.go TestEL1HostPackagesUnknown",
	"host.image.changed":    "audit/host/host_test.go TestEL1HostWithoutDpkg",
	"integrity.manifest":    "integration/dl3_test.go TestDL3EveryProgramComparesItsMachine",
	"integrity.compared":    "integration/dl3_test.go TestDL3EveryProgramComparesItsMachine",
	"integrity.differs":     "integration/dl3_test.go TestDL3EveryProgramComparesItsMachine",
	"integrity.restored":    "integration/dl3_test.go TestDL3EveryProgramComparesItsMachine",
	"audit.recovered":       "audit/log_test.go TestEL1HeadTells",
	"audit.gap":             "audit/commit_test.go TestSA2TheGapIsTold",
	"audit.rationed":        "gateway/trace_test.go TestSA2WhatOnePeerRepeatsIsCounted",
	"audit.dropped":         "gateway/said_test.go TestSA2TooManyLinesAreCounted",
	"audit.purged":          "integration/sa2_keep_test.go TestSA2KeepHoldPurge",
	"head.late":             "ca/server/heads_test.go TestG7ASilentGatewayIsAnAlert",
	"head.refused":          "integration/sa2_heads_test.go TestG7HeadsThatGoBackAreAnAlert",
}

// TestSA2EachKindIsSeenByATest: there is no kind of event in the table without a test whose text names it, as a string
// or as package audit's constant.
func TestSA2EachKindIsSeenByATest(t *testing.T) {
	root, err := world.ModuleRoot()
	require.NoError(t, err)
	names := kindNames(t, root)
	for _, row := range audit.Kinds() {
		where, known := kindsSeenIn[row.Kind]
		require.True(t, known, "no test of the table above sees %s", row.Kind)
		text := textOf(t, root, where)
		named := regexp.MustCompile(`\b(` + regexp.QuoteMeta(string(row.Kind)) + `|` + names[row.Kind] + `)\b`)
		require.True(t, named.MatchString(text), "%s does not name %s", where, row.Kind)
	}
	require.Len(t, kindsSeenIn, len(audit.Kinds()), "a kind that there is no longer")
}

// kindNames returns the names of package audit's constants.
func kindNames(t *testing.T, root string) map[audit.Kind]string {
	t.Helper()
	names := map[audit.Kind]string{}
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "audit/kinds.go"), nil, 0)
	require.NoError(t, err)
	ast.Inspect(parsed, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if value, ok := spec.Values[0].(*ast.BasicLit); ok {
				names[audit.Kind(strings.Trim(value.Value, `"`))] = spec.Names[0].Name
			}
		}
		return true
	})
	require.NotEmpty(t, names)
	return names
}

// textOf returns the text of a test, given as FILE TEST, or of a script.
func textOf(t *testing.T, root, where string) string {
	t.Helper()
	file, test, isTest := strings.Cut(where, " ")
	source, err := os.ReadFile(filepath.Join(root, file))
	require.NoError(t, err)
	if !isTest {
		return string(source)
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, source, 0)
	require.NoError(t, err)
	for _, d := range parsed.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == test {
			return string(source[set.Position(f.Pos()).Offset:set.Position(f.End()).Offset])
		}
	}
	require.Fail(t, "there is no such test", where)
	return ""
}
