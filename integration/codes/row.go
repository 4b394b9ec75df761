package codes

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The files, from the module's root.
const (
	Source = "docs/annexe7.yaml"
	Page   = "docs/annexe7.md" // made from Source
)

// State says how far a sentence is answered.
type State string

// The states, from best to worst; the last is no worse, but no program can change it.
const (
	// software answers it, or documents if the sentence is about documents; tests show it
	Answered       State = "answered"
	Partly         State = "partly"         // the row says what is missing
	ToCome         State = "to come"        // what there is does not answer it
	Organisational State = "organisational" // people answer it, and the security file says how
)

// States are all of them.
var States = []State{Answered, Partly, ToCome, Organisational}

// Row is a sentence of the annex and what answers it.
type Row struct {
	ID        string   `yaml:"id" json:"id"`
	Sentence  string   `yaml:"sentence" json:"sentence"` // in our words
	State     State    `yaml:"state" json:"state"`
	Who       []string `yaml:"who" json:"who"`                                 // who answers: tlagate, operator, editor
	Mechanism string   `yaml:"mechanism,omitempty" json:"mechanism,omitempty"` // what answers
	// until it is answered, or what people have to do
	Missing   string   `yaml:"missing,omitempty" json:"missing,omitempty"`
	Functions []string `yaml:"functions,omitempty" json:"functions,omitempty"` // PACKAGE.Name, PACKAGE.Type.Method
	Tests     []string `yaml:"tests,omitempty" json:"tests,omitempty"`         // names of tests and fuzz targets
	Documents []string `yaml:"documents,omitempty" json:"documents,omitempty"` // files of the tree, pages with #heading
}

// Code returns the annex's code: G2 of G2.1, 6.3.2 of 6.3.2a.
func (r Row) Code() string {
	for _, c := range annex {
		for _, of := range c.codes {
			for n := range of.sentences {
				if of.sentence(n) == r.ID {
					return of.name
				}
			}
		}
	}
	return ""
}

// Read returns the rows of the source tree at root. An unknown key, or one that is there twice, is an error.
func Read(root string) ([]Row, error) {
	raw, err := os.ReadFile(filepath.Join(root, Source))
	if err != nil {
		return nil, fmt.Errorf("cannot read the annex's rows: %w", err)
	}
	rows, err := decode(raw)
	if err != nil {
		return nil, fmt.Errorf("cannot read the annex's rows in %s: %w", Source, err)
	}
	return rows, nil
}

func decode(raw []byte) (rows []Row, err error) {
	in := yaml.NewDecoder(bytes.NewReader(raw))
	in.KnownFields(true)
	if err := in.Decode(&rows); err != nil {
		return nil, err
	}
	if err := in.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("it holds more than one document")
	}
	for i := range rows {
		rows[i].Mechanism, rows[i].Missing = strings.TrimSpace(rows[i].Mechanism), strings.TrimSpace(rows[i].Missing)
	}
	return rows, nil
}

// Count returns how many rows have the state.
func Count(rows []Row, s State) (n int) {
	for _, r := range rows {
		if r.State == s {
			n++
		}
	}
	return n
}

// Summary returns the count of each state, in one line.
func Summary(rows []Row) string {
	line := fmt.Sprintf("Annex 7: %d sentences", len(rows))
	for _, s := range States {
		line += fmt.Sprintf(", %d %s", Count(rows, s), s)
	}
	return line
}
