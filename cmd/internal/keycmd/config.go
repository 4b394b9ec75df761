package keycmd

import (
	"fmt"
	"maps"
	"slices"

	"tlagate/cmd/internal/cli"
	"tlagate/keys"
)

// identity is a section of a configuration that names a certificate and its key.
type identity struct {
	cli.Identity
	use string
}

// certificates is a file of certificates that a configuration trusts.
type certificates struct {
	use, file string
}

// secret is the section person_key: a key without a certificate.
type secret struct {
	cli.PersonKey
	use string
}

// holdings has the keys and certificates that a configuration file names.
type holdings struct {
	identities   []identity
	secrets      []secret
	certificates []certificates
}

// read looks through the configuration file of any of the programs. It knows sections by their keys: one with cert and
// key is an identity; person_key is a secret; one with anchors or intermediates is about trust.
func read(file string) (*holdings, error) {
	var root map[string]any
	if err := cli.LoadYAML(file, &root); err != nil {
		return nil, err
	}
	h := &holdings{}
	h.walk(root, "", cli.Relative(file))
	if len(h.identities) == 0 {
		return nil, fmt.Errorf("cannot find a key in %s: no section has a cert and a key", file)
	}
	return h, nil
}

func (h *holdings) walk(node any, path string, at cli.Relative) {
	switch node := node.(type) {
	case map[string]any:
		h.section(node, path, at)
		for _, name := range slices.Sorted(maps.Keys(node)) {
			h.walk(node[name], join(path, name), at)
		}
	case []any:
		for i, item := range node {
			h.walk(item, fmt.Sprintf("%s[%d]", path, i), at)
		}
	}
}

func (h *holdings) section(node map[string]any, path string, at cli.Relative) {
	text := func(name string) string { s, _ := node[name].(string); return s }
	if cert, key := text("cert"), text("key"); cert != "" && key != "" {
		h.identities = append(h.identities, identity{use: path, Identity: cli.Identity{
			Cert: at.Path(cert), Key: at.Key(keys.Spec(key)), WrappingKey: at.Path(text("wrapping_key")),
		}})
	}
	if path == personKey && text("file") != "" {
		h.secrets = append(h.secrets, secret{use: path, PersonKey: cli.PersonKey{File: at.Path(text("file")),
			WrappingKey: at.Path(text("wrapping_key"))}})
	}
	if anchors, ok := node["anchors"].([]any); ok {
		for i, a := range anchors {
			if a, ok := a.(map[string]any); ok {
				h.trusts(fmt.Sprintf("%s.anchors[%d]", path, i), a["file"], at)
			}
		}
	}
	if cas, ok := node["intermediates"].([]any); ok {
		for i, file := range cas {
			h.trusts(fmt.Sprintf("%s.intermediates[%d]", path, i), file, at)
		}
	}
}

// personKey is the section of the key by which the trace marks persons.
const personKey = "person_key"

func (h *holdings) trusts(use string, file any, at cli.Relative) {
	if name, ok := file.(string); ok && name != "" {
		h.certificates = append(h.certificates, certificates{use, string(at.Path(name))})
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
