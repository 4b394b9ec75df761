package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"tlagate/internal/address"
	"tlagate/internal/files"
	"tlagate/keys"
)

// maxConfig bounds a configuration file, in bytes.
const maxConfig = 1 << 20

// Path is a file name in a YAML file. [LoadYAML] makes a relative one relative to that file's directory; URLs,
// credential:NAME and empty ones stay as they are.
type Path string

// LoadYAML reads file into the struct that into points to, strictly: an unknown or repeated key, a value of another
// kind, a second document or an empty file is an error that names file, line and key. Every [Path] and [keys.Spec] in
// it is made relative to the file. Then checks are called, to look at what was read. All that is wrong is returned as
// one *Faults, and into has what could be read all the same; a file that cannot be read at all is another error.
func LoadYAML(file string, into any, checks ...func() error) error {
	raw, err := readBounded(file)
	if errors.Is(err, fs.ErrNotExist) {
		return unread{fmt.Errorf("cannot read the configuration: %w: write it from the example (deploy/examples), or "+
			"name another with --config", err)}
	}
	if err != nil {
		return unread{fmt.Errorf("cannot read the configuration: %w", err)}
	}
	wrong, err := decodeStrict(raw, into)
	if err != nil {
		return unread{fmt.Errorf("cannot use the configuration %s: %w", file, err)}
	}
	resolvePaths(reflect.ValueOf(into), filepath.Dir(file))
	for _, check := range checks {
		wrong = append(wrong, check())
	}
	return faults(file, wrong...)
}

// DecodeYAML is like LoadYAML, for a document in memory; paths stay as they are.
func DecodeYAML(raw []byte, into any) error {
	wrong, err := decodeStrict(raw, into)
	return errors.Join(append(wrong, err)...)
}

func readBounded(file string) ([]byte, error) {
	raw, err := files.Read(file, maxConfig)
	if errors.Is(err, files.ErrTooLarge) {
		err = fmt.Errorf("%s: %w", file, err)
	}
	return raw, err
}

// decodeStrict reads what can be read, and returns what is wrong with the rest. It is an error if raw is no document.
func decodeStrict(raw []byte, into any) (wrong []error, err error) {
	doc, err := parseYAML(raw)
	if err != nil {
		return nil, err
	}
	var c keyCheck
	c.node(doc, reflect.TypeOf(into), "")
	if len(c.faults) > mostFaults {
		return nil, fmt.Errorf("it has more than %d faults, and is no configuration of this program; the first: %w",
			mostFaults, c.faults[0])
	}
	if err := doc.Decode(into); err != nil && len(c.faults) == 0 {
		return []error{err}, nil
	}
	return c.faults, nil
}

// parseYAML reads one document. All YAML goes through it before the library decodes it.
func parseYAML(raw []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	var doc yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, errors.New("it is empty")
	} else if err != nil {
		return nil, explain(err, raw)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("it holds more than one document")
	}
	return doc.Content[0], new(judge).look(doc.Content[0], false)
}

// explain names the tab that a line begins with, when that is why the text is no YAML: the library says nothing that
// helps.
func explain(err error, raw []byte) error {
	if !strings.Contains(err.Error(), "cannot start any token") && !strings.Contains(err.Error(), "tab character") {
		return err
	}
	for i, line := range bytes.Split(raw, []byte("\n")) {
		indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
		if bytes.ContainsRune(indent, '\t') && len(indent) < len(line) && line[len(indent)] != '#' {
			return fmt.Errorf("line %d: a tab; indent with spaces", i+1)
		}
	}
	return err
}

// mostByAliases bounds how many values aliases may stand for in one file; in the built-in card policy it is 30.
const mostByAliases = 10_000

// judge refuses what costs more than in proportion to its length. With aliases a few lines may unfold to more than fits
// into any machine, or contain themselves; the library compares each repeated key with every other.
type judge struct{ byAliases int }

func (j *judge) look(node *yaml.Node, byAlias bool) error {
	if byAlias {
		j.byAliases++
	}
	switch {
	case j.byAliases > mostByAliases:
		return fmt.Errorf("line %d: its aliases (*) stand for more than %d values: write them out",
			node.Line, mostByAliases)
	case node.Kind == yaml.AliasNode:
		return j.look(node.Alias, true)
	case node.Kind == yaml.MappingNode:
		if err := judgeKeys(node); err != nil {
			return err
		}
	}
	for _, below := range node.Content {
		if err := j.look(below, byAlias); err != nil {
			return err
		}
	}
	return nil
}

func judgeKeys(mapping *yaml.Node) error {
	first := make(map[string]int, len(mapping.Content)/2)
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key := mapping.Content[i]
		if line, twice := first[key.Value]; twice {
			return fmt.Errorf("line %d: %q already defined at line %d", key.Line, key.Value, line)
		}
		first[key.Value] = key.Line
	}
	return nil
}

// resolvePaths makes every Path below v relative to dir.
func resolvePaths(v reflect.Value, dir string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			resolvePaths(v.Elem(), dir)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			resolvePaths(v.Field(i), dir)
		}
	case reflect.Slice:
		for i := range v.Len() {
			resolvePaths(v.Index(i), dir)
		}
	case reflect.String:
		if v.Type() == reflect.TypeFor[Path]() && v.CanSet() {
			v.SetString(resolve(v.String(), dir))
		}
		if v.Type() == reflect.TypeFor[keys.Spec]() && v.CanSet() {
			v.SetString(string(keys.Spec(v.String()).In(dir)))
		}
	}
}

func resolve(name, dir string) string {
	if name == "" || filepath.IsAbs(name) || address.IsURL(name) || strings.HasPrefix(name, "credential:") {
		return name
	}
	return filepath.Join(dir, name)
}

// Relative is a configuration file to which names are relative. It does what [LoadYAML] does for fields of type Path
// and keys.Spec, for a caller that reads the file without such fields.
type Relative string

// Path returns the name as LoadYAML would.
func (r Relative) Path(name string) Path { return Path(resolve(name, filepath.Dir(string(r)))) }

// Key returns the key's place as LoadYAML would.
func (r Relative) Key(s keys.Spec) keys.Spec { return s.In(filepath.Dir(string(r))) }
