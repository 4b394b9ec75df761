package tlagate_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// logging are the methods of loggers, listen.Ration's too, and how many arguments come before the attributes.
var logging = map[string]int{"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "Log": 1, "With": 0}

// attributeName is the form of what a log, and the journal, can be searched by.
var attributeName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// TestG7LogAttributesHaveOneName: words without spaces, and an error is called error wherever it is logged.
func TestG7LogAttributesHaveOneName(t *testing.T) {
	seen := 0
	for _, f := range sources(t) {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			for name, value := range logged(n) {
				seen++
				require.Regexp(t, attributeName, name, f.name)
				require.NotContains(t, []string{"err", "e", "failure"}, name, "%s: call it error", f.name)
				if id, ok := value.(*ast.Ident); ok && id.Name == "err" {
					require.Equal(t, "error", name, f.name)
				}
			}
			return true
		})
	}
	require.Greater(t, seen, 500)
}

// logged returns the attributes of a line of the log, if n is a call that writes one.
func logged(n ast.Node) map[string]ast.Expr {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return nil
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	before, ok := logging[method.Sel.Name]
	if !ok || len(call.Args) < before || fmt.Sprint(method.X) == "http" {
		return nil
	}
	found := map[string]ast.Expr{}
	attributes := call.Args[before:]
	for i := 0; i+1 < len(attributes); i += 2 {
		name, ok := attributes[i].(*ast.BasicLit)
		if !ok || name.Kind != token.STRING {
			break // attributes that are made elsewhere
		}
		text, _ := strconv.Unquote(name.Value)
		if strings.Contains(text, "%") {
			return nil // it is no line of a log, but a format
		}
		found[text] = attributes[i+1]
	}
	return found
}
