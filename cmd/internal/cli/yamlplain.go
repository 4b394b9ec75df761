package cli

import (
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// LoadPlain reads a YAML file into the types of JSON: maps, lists, texts, integers, booleans and nil.
func LoadPlain(file string) (any, error) {
	raw, err := readBounded(file)
	if err != nil {
		return nil, err
	}
	doc, err := parseYAML(raw)
	if err != nil {
		return nil, fmt.Errorf("cannot use %s: %w", file, err)
	}
	value, err := plain(doc, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot use %s: %w", file, err)
	}
	return value, nil
}

// deepest bounds how deeply a file may be nested.
const deepest = 20

// plain returns YAML in the types of JSON. What YAML takes for a number that is not written like one, as 00 or 0A,
// stays a text.
func plain(n *yaml.Node, depth int) (any, error) {
	if depth > deepest {
		return nil, fmt.Errorf("line %d: it is too deep", n.Line)
	}
	switch n.Kind {
	case yaml.MappingNode:
		return plainMap(n, depth)
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			v, err := plain(item, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.AliasNode:
		return plain(n.Alias, depth+1)
	}
	return scalar(n)
}

func plainMap(n *yaml.Node, depth int) (any, error) {
	m := map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		v, err := plain(n.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		m[key.Value] = v
	}
	return m, nil
}

func scalar(n *yaml.Node) (any, error) {
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if n.ShortTag() == "!!int" && err == nil && strconv.FormatInt(v, 10) == n.Value {
		return v, nil
	}
	switch n.ShortTag() {
	case "!!bool":
		return boolean(n)
	case "!!null":
		return nil, nil
	}
	return n.Value, nil
}

// boolean reads a value as the programs that read the file themselves do: True and TRUE are true too.
func boolean(n *yaml.Node) (v bool, err error) {
	if n.Decode(&v) != nil {
		err = fmt.Errorf("line %d: neither true nor false: %s", n.Line, short(n))
	}
	return v, err
}
