package tlagate_test

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// explained has the tables of docs/troubleshooting.md, by their section and the head of their first column, and where
// the source has their words.
var explained = []struct {
	section, head string
	words         func(*testing.T) []string
}{
	{"1. The terminal: why there is no session", "code", constantsOf("tla", "Code", ast.IsExported)},
	{"Faults of the control socket", "fault", constantsNamed("tla/control", regexp.MustCompile(`^Fault[A-Z]`))},
	{"Cards and readers", "hold", constantsOf("tla/cards", "Hold", ast.IsExported)},
	{"Cards and readers", "user", constantsNamed("tla", regexp.MustCompile(`^User[A-Z]`))},
	{"2. Certificates and connections", "reason", constantsOf("pki", "Reason", ast.IsExported)},
	{"3. Problems of the gateway", "problem", constantsOf("session/link", "ProblemCode", ast.IsExported)},
	{"4. Notices", "notice", constantsOf("session/link", "Code", ast.IsExported)},
	{"5. Byes", "bye", constantsOf("session", "ByeCode", ast.IsExported)},
	{"5. Byes", "reason", returned("pdt/reason.go", "otherReason")},
	{"6. HTTP proxy", "reason", constantsOf("dialer", "Reason", ast.IsExported)},
	{"7. Signed configuration", "why", both(
		constantsOf("bundle", "Reason", ast.IsExported), constantsNamed("tla", regexp.MustCompile(`^ReasonChanged$`)))},
	{"8. Enrolment and renewal", "reason", constantsOf("cmd/internal/enrol", "Kind", ast.IsExported)},
	{"9. EST", "word", constantsOf("est", "Word", ast.IsExported)},
	{"9. EST", "reason", constantsNamed("gateway/enrolment", regexp.MustCompile(`^Ended[A-Z]`))},
	{"10. Doctor", "check", checks("cmd/internal/doctor", "cmd/tla-relay", "cmd/tla-pdt")},
	{"11. Exit status", "status", exits},
	{"12. The PKI's officers", "problem", constantsOf("internal/acts", "Code", except(ofGateway))},
	{"13. The gateway's operators", "problem", constantsOf("internal/acts", "Code", except(ofOfficers))},
	{"14. Integrity", "why", constantsOf("integrity", "Why", ast.IsExported)},
}

// Problems that one of the two APIs has and the other has not.
var (
	ofGateway  = []string{"Unproven", "RoleRequired", "TraceFull", "Failed"}
	ofOfficers = []string{"CertificateRefused", "NotAnOfficer", "MissingRole", "SameOfficer", "Refused", "TraceFailed"}
)

func except(names []string) func(string) bool {
	return func(name string) bool { return !slices.Contains(names, name) }
}

// TestG7TroubleshootingIsComplete: each word by which a program says what is the matter has a row, and each row is
// about such a word.
func TestG7TroubleshootingIsComplete(t *testing.T) {
	text, err := os.ReadFile("docs/troubleshooting.md")
	require.NoError(t, err)
	tables := tablesOf(string(text))
	for _, e := range explained {
		name := e.section + " / " + e.head
		require.Contains(t, tables, name)
		words := e.words(t)
		require.NotEmpty(t, words, name)
		require.ElementsMatch(t, words, tables[name], "%s: words of the source, and rows of docs/troubleshooting.md",
			name)
		delete(tables, name)
	}
	require.Empty(t, tables, "tables that nothing is compared with")
}

// tablesOf returns the first column of each table, by its section and the head of that column. Every row says what to
// do.
func tablesOf(text string) map[string][]string {
	tables := map[string][]string{}
	section, table := "", ""
	row := regexp.MustCompile("^\\| `([^`]+)` \\| [^|]+ \\| [^|]+ \\|$")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch m := row.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "#"):
			section = strings.TrimLeft(line, "# ")
		case m != nil:
			tables[table] = append(tables[table], m[1])
		case strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "|--"):
			head, _, _ := strings.Cut(strings.Trim(line, "| "), " |")
			table = section + " / " + head
			tables[table] = nil
		}
	}
	return tables
}

// files parses the sources of a package, tests left out.
func files(t *testing.T, dir string) (all []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, names, dir)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		all = append(all, f)
	}
	return all
}

// specs calls found for every constant of a package that is a string literal, with its name, the name of its type, and
// the text.
func specs(t *testing.T, dir string, found func(name, kind, text string)) {
	for _, f := range files(t, dir) {
		ast.Inspect(f, func(n ast.Node) bool {
			d, ok := n.(*ast.GenDecl)
			if !ok || d.Tok != token.CONST {
				return true
			}
			for _, s := range d.Specs {
				v := s.(*ast.ValueSpec)
				kind, _ := v.Type.(*ast.Ident)
				for i, name := range v.Names {
					if text, ok := literal(v.Values, i); ok && kind != nil {
						found(name.Name, kind.Name, text)
					} else if ok {
						found(name.Name, "", text)
					}
				}
			}
			return false
		})
	}
}

func literal(values []ast.Expr, i int) (string, bool) {
	if i >= len(values) {
		return "", false
	}
	lit, ok := values[i].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	return constant.StringVal(constant.MakeFromLiteral(lit.Value, token.STRING, 0)), true
}

func constantsOf(dir, kind string, wanted func(name string) bool) func(*testing.T) []string {
	return func(t *testing.T) (words []string) {
		specs(t, dir, func(name, of, text string) {
			if of == kind && wanted(name) && text != "" {
				words = append(words, text)
			}
		})
		return words
	}
}

func constantsNamed(dir string, names *regexp.Regexp) func(*testing.T) []string {
	return func(t *testing.T) (words []string) {
		specs(t, dir, func(name, kind, text string) {
			if kind == "" && names.MatchString(name) {
				words = append(words, text)
			}
		})
		return words
	}
}

func both(a, b func(*testing.T) []string) func(*testing.T) []string {
	return func(t *testing.T) []string { return append(a(t), b(t)...) }
}

// returned finds the texts that a function returns.
func returned(file, function string) func(*testing.T) []string {
	return func(t *testing.T) (words []string) {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Name.Name == function {
				ast.Inspect(d, func(n ast.Node) bool {
					if r, ok := n.(*ast.ReturnStmt); ok {
						if text, ok := literal(r.Results, 0); ok {
							words = append(words, text)
						}
					}
					return true
				})
			}
		}
		return words
	}
}

// checks finds the names of the doctor's checks; "…" stands for what a program inserts.
func checks(dirs ...string) func(*testing.T) []string {
	return func(t *testing.T) (names []string) {
		for _, dir := range dirs {
			for _, f := range files(t, dir) {
				ast.Inspect(f, func(n ast.Node) bool {
					if name := checkName(n); name != "" && !slices.Contains(names, name) {
						names = append(names, name)
					}
					return true
				})
			}
		}
		return names
	}
}

// checkName returns the name in a literal of doctor.Check, or in a call of the helper that makes one.
func checkName(n ast.Node) string {
	switch n := n.(type) {
	case *ast.CompositeLit:
		if len(n.Elts) != 2 {
			return ""
		}
		if _, run := last(n.Elts).(*ast.FuncLit); run {
			return text(first(n.Elts))
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "linux" && len(n.Args) == 2 {
			return text(n.Args[0])
		}
	}
	return ""
}

func first(list []ast.Expr) ast.Expr { return value(list[0]) }
func last(list []ast.Expr) ast.Expr  { return value(list[len(list)-1]) }

func value(e ast.Expr) ast.Expr {
	if kv, ok := e.(*ast.KeyValueExpr); ok {
		return kv.Value
	}
	return e
}

func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		t, _ := literal([]ast.Expr{e}, 0)
		return t
	case *ast.BinaryExpr:
		return text(e.X) + "…"
	}
	return ""
}

// exits returns the statuses that programs end with: 0, 1 and 2 of cli, and those made with cli.ExitCode.
func exits(t *testing.T) []string {
	found := []string{"0", "1", "2"}
	add := func(code string) {
		if _, err := strconv.Atoi(code); err == nil && !slices.Contains(found, code) {
			found = append(found, code)
		}
	}
	dirs, err := filepath.Glob("cmd/*")
	require.NoError(t, err)
	for _, dir := range dirs {
		if dir == "cmd/internal" {
			continue
		}
		for _, f := range files(t, dir) {
			ast.Inspect(f, func(n ast.Node) bool {
				if c, ok := n.(*ast.CallExpr); ok && len(c.Args) == 2 {
					if s, ok := c.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "ExitCode" {
						add(number(c.Args[0], f))
					}
				}
				return true
			})
		}
	}
	return found
}

// number returns an exit status from its expression: a number, or a constant of the same file.
func number(e ast.Expr, f *ast.File) (code string) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return e.Value
	case *ast.Ident:
		ast.Inspect(f, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && v.Names[0].Name == e.Name && len(v.Values) == 1 {
				if lit, ok := v.Values[0].(*ast.BasicLit); ok {
					code = lit.Value
				}
			}
			return true
		})
	}
	return code
}
