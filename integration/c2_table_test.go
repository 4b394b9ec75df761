package integration

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/world"
	"tlagate/pki"
)

// elsewhere are the reasons that have a test of their own, outside of the tables.
var elsewhere = map[pki.Reason]string{
	pki.CRLNumberBack: "TestC2RevocationListNumber",
	pki.NameSpace:     "TestC2Stores",
	pki.TestCA:        "TestC2Stores",
	pki.OnDenyList:    "TestC2DenyList",
	pki.StapleMissing: "TestC2MustStaple",
	pki.OCSPMissing:   "TestC2OCSPAnswersThatLie",
	pki.OCSPStale:     "TestC2ResponderGoesAway",
	pki.Inspected:     "TestC3InspectingProxyIsNamed",
	pki.NotRGS:        "TestC2RGSGroupsAndSuites",
	pki.UserStatus:    "TestC2NothingIsKnownOfThePerson",
}

// TestC2EveryReasonIsRefused: there is a row for every reason that package pki knows.
func TestC2EveryReasonIsRefused(t *testing.T) {
	known := reasonsOfPKI(t)
	require.Greater(t, len(known), 30)
	covered := coveredReasons()
	tests := functions(t)
	for name, reason := range known {
		if test, ok := elsewhere[reason]; ok {
			require.Contains(t, tests, test, "%s is said to be covered by it", name)
			continue
		}
		require.Contains(t, covered, reason, "pki.%s has no row in the refusal table", name)
	}
	for reason := range covered {
		require.Contains(t, known, goName(known, reason), "the table has a reason that pki does not know")
	}
}

func goName(known map[string]pki.Reason, r pki.Reason) string {
	for name, reason := range known {
		if reason == r {
			return name
		}
	}
	return string(r)
}

// coveredReasons returns the reasons of all rows.
func coveredReasons() map[pki.Reason]bool {
	covered := map[pki.Reason]bool{}
	for _, table := range [][]certDefect{certDefects, serverDefects, innerPdTs, innerTLAs} {
		for _, d := range table {
			covered[d.reason] = true
		}
	}
	for _, d := range crlDefects {
		covered[d.reason] = true
	}
	for _, d := range ocspLies {
		covered[d.reason] = true
	}
	for _, d := range helloDefects {
		covered[d.reason] = true
	}
	for _, d := range rawDefects {
		covered[d.reason] = true
	}
	for _, d := range peerDefects {
		covered[d.reason] = true
	}
	return covered
}

// reasonsOfPKI returns the constants of type Reason in package pki's source, by name.
func reasonsOfPKI(t *testing.T) map[string]pki.Reason {
	t.Helper()
	root, err := world.ModuleRoot()
	require.NoError(t, err)
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "pki", "refusal.go"), nil, 0)
	require.NoError(t, err)
	known := map[string]pki.Reason{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Reason" {
			word, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			known[spec.Names[0].Name] = pki.Reason(word)
		}
		return true
	})
	return known
}

// functions returns the names of the functions in this package's tests.
func functions(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("c[23]_*_test.go")
	require.NoError(t, err)
	found := map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				found[f.Name.Name] = true
			}
		}
	}
	return found
}
