package cli

import (
	"strings"

	"github.com/alecthomas/kong"
)

// HelpTexts are help texts by name, for a field or command with help:"${name}". kong.Vars would do, but kong works each
// of those out again for every flag, which takes a program with many of both longer than its work.
type HelpTexts map[string]string

// Apply puts the texts in before kong works out its variables, which a text may have.
func (t HelpTexts) Apply(k *kong.Kong) error {
	return kong.PostBuild(func(k *kong.Kong) error { return kong.Visit(k.Model, t.fill) }).Apply(k)
}

func (t HelpTexts) fill(node kong.Visitable, next kong.Next) error {
	switch node := node.(type) {
	case *kong.Application:
		t.put(&node.Help)
	case *kong.Node:
		t.put(&node.Help)
	case *kong.Value:
		t.put(&node.Help)
	}
	return next(nil)
}

// put leaves a name that it does not know to kong, which refuses it.
func (t HelpTexts) put(help *string) {
	name := strings.TrimSuffix(strings.TrimPrefix(*help, "${"), "}")
	if text, ok := t[name]; ok && *help == "${"+name+"}" {
		*help = text
	}
}
