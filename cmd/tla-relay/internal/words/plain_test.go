package words

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// forInstallers are words that only a person who enrols a terminal sees.
var forInstallers = []string{"enrolWords", "enrolFailures", "detailed"}

// jargon has, by language, words that mean something only to an operator.
var jargon = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\b(passerelle|relais|protocole|politique|` + acronyms),
	regexp.MustCompile(`(?i)\b(gateway|relay|protocol|policy|` + acronyms),
}

// acronyms are allowed in both languages, and so is what is filled in from elsewhere.
const acronyms = `bundle|URN|PKI|CRL|OCSP|TLS)\b|PC/SC|\(s\)|\{(gateway|detail|file)\}`

// counts matches a number before a word that has only one form.
var counts = regexp.MustCompile(`\{n\}[ \x{a0}]\pL{2,}`)

// TestWordsAreForAProfessional: every Text is in both languages, and plain; a word after a number has its forms.
func TestWordsAreForAProfessional(t *testing.T) {
	found := 0
	for _, texts := range literals(t) {
		found++
		require.Len(t, texts, len(jargon))
		for i, text := range texts {
			require.NotEmpty(t, text)
			require.NotRegexp(t, jargon[i], strings.ReplaceAll(text, "tla-relay", ""))
			if !strings.Contains(text, "plugged in") { // one form for all numbers
				require.NotRegexp(t, counts, text)
			}
		}
	}
	require.Greater(t, found, 200, "the literals of Text are found")
}

// literals returns the texts of all composite literals of type Text, in maps and structs, too.
func literals(t *testing.T) (all [][]string) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	shared, err := filepath.Glob("../../../internal/sentences/*.go")
	require.NoError(t, err)
	for _, name := range append(files, shared...) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && len(v.Names) > 0 && slices.Contains(forInstallers, v.Names[0].Name) {
				return false
			}
			if c, ok := n.(*ast.CompositeLit); ok {
				if texts := bilingual(c); texts != nil {
					all = append(all, texts)
				}
			}
			return true
		})
	}
	return all
}

// bilingual returns the two texts of a literal that consists of two texts.
func bilingual(c *ast.CompositeLit) (texts []string) {
	if name, ok := c.Type.(*ast.Ident); c.Type != nil && (!ok || name.Name != "Text") {
		return nil
	}
	for _, e := range c.Elts {
		text, ok := constant(e)
		if !ok {
			return nil
		}
		texts = append(texts, text)
	}
	return texts
}

// constant returns the text of an expression that consists only of strings.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		left, ok1 := constant(e.X)
		right, ok2 := constant(e.Y)
		return left + right, ok1 && ok2
	}
	return "", false
}

// TestNumbersHaveTheirForms: one is singular, and in French so is zero.
func TestNumbersHaveTheirForms(t *testing.T) {
	w := Text{"{n} {n:essai:essais}", "{n} {n:try:tries}"}
	for n, want := range map[string][2]string{"0": {
		"0 essai",
		"0 tries"}, "1": {"1 essai", "1 try"}, "2": {"2 essais", "2 tries"}, "11": {"11 essais", "11 tries"}} {
		require.Equal(t, want, [2]string{French.Say(w, []string{"n", n}), English.Say(w, []string{"n", n})})
	}
}
