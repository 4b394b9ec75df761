package cli

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// keyCheck finds each key for which a type has no field, and each value that is not of its key's kind. The errors of
// yaml's own KnownFields name Go types and no path, which tells a person little.
type keyCheck struct{ faults []error }

// mostFaults is how many faults of one file are named: a file with more is no configuration of ours, and reading on
// would cost the square of its length.
const mostFaults = 100

func (c *keyCheck) refuse(at *yaml.Node, format string, args ...any) {
	if len(c.faults) > mostFaults {
		return
	}
	c.faults = append(c.faults, fmt.Errorf("line %d: %s", at.Line, fmt.Sprintf(format, args...)))
}

func (c *keyCheck) node(node *yaml.Node, t reflect.Type, path string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch {
	case decodesItself(t) || t.Kind() == reflect.Interface:
		c.value(node, t, path)
	case node.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for i, item := range node.Content {
			c.filled(item, item, t.Elem(), fmt.Sprintf("%s[%d]", path, i), "item")
		}
	case node.Kind == yaml.MappingNode && t.Kind() == reflect.Struct:
		c.fields(node, t, path)
	case node.Kind == yaml.MappingNode && t.Kind() == reflect.Map:
		pairs(node, func(key, value *yaml.Node) { c.filled(key, value, t.Elem(), join(path, key.Value), "key") })
	default:
		c.value(node, t, path)
	}
}

// pairs calls f with each key and value of a mapping.
func pairs(node *yaml.Node, f func(key, value *yaml.Node)) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		f(node.Content[i], node.Content[i+1])
	}
}

func (c *keyCheck) fields(node *yaml.Node, t reflect.Type, path string) {
	known := map[string]reflect.Type{}
	collectFields(t, known)
	pairs(node, func(key, value *yaml.Node) {
		field, ok := known[key.Value]
		if !ok {
			c.refuse(key, "unknown key %q", join(path, key.Value))
			return
		}
		c.filled(key, value, field, join(path, key.Value), "key")
	})
}

// filled refuses a key or an item of a list without a value, which yaml would drop in silence.
func (c *keyCheck) filled(at, value *yaml.Node, t reflect.Type, path, what string) {
	target := value
	if value.Kind == yaml.AliasNode {
		target = value.Alias
	}
	if target.Kind == yaml.ScalarNode && target.ShortTag() == "!!null" {
		c.refuse(at, "%q has no value: write one, or leave the %s out", path, what)
		return
	}
	c.node(value, t, path)
}

// value has yaml decode one value.
func (c *keyCheck) value(node *yaml.Node, t reflect.Type, path string) {
	if err := node.Decode(reflect.New(t).Interface()); err != nil {
		c.refuse(node, "%q %s", path, wanted(node, t, err))
	}
}

// wanted returns what a value should have been.
func wanted(node *yaml.Node, t reflect.Type, err error) string {
	switch kind := t.Kind(); {
	case decodesItself(t) || kind == reflect.Interface:
		return "cannot be used: " + err.Error()
	case t == reflect.TypeFor[time.Duration]():
		return fmt.Sprintf("is no time such as 90s or 5m: %s", short(node))
	case kind == reflect.Struct || kind == reflect.Map:
		return "has no keys below it, and wants some"
	case kind == reflect.Slice:
		return "is no list: want [ONE, ANOTHER], or lines that begin with a dash"
	case kind == reflect.Bool:
		return fmt.Sprintf("is neither true nor false: %s", short(node))
	case kind == reflect.String:
		return "is a list or has keys below it, and wants a text"
	}
	return fmt.Sprintf("is no number that fits: %s", short(node))
}

// short returns a value, quoted and cut; of a list or a mapping, that it is one.
func short(node *yaml.Node) string {
	if node.Kind != yaml.ScalarNode {
		return "it is a list, or has keys below it"
	}
	return fmt.Sprintf("%.40q", node.Value)
}

func collectFields(t reflect.Type, known map[string]reflect.Type) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, flags, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case !field.IsExported() || name == "-":
		case strings.Contains(flags, "inline") && field.Type.Kind() == reflect.Struct:
			collectFields(field.Type, known)
		case name == "":
			known[strings.ToLower(field.Name)] = field.Type
		default:
			known[name] = field.Type
		}
	}
}

func decodesItself(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.Unmarshaler]())
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
