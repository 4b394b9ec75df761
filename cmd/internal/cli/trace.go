package cli

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Trace is the YAML setting that says where the audit trace is, and how much of it is kept: the name of a file alone,
// or
//
//	audit:
//	  file: audit.jsonl
//	  keep: 366d        # what is older is purged; never: nothing is
//	  space: 20GiB      # what all its files may take; without it, what the disk has
//	  reserve: 4MiB     # of that, kept for what ends sessions and for what operators do; 0: nothing
//	  full: refuse      # without room no session begins; go_on: sessions begin without their line
type Trace struct {
	File    Path
	Keep    time.Duration // 0 = the program's default; Never
	Space   int64         // octets; 0 = no bound
	Reserve int64         // octets; 0 = the program's default; None
	GoOn    bool
}

// Never and None are what a configuration says against a default.
const (
	Never time.Duration = -1
	None  int64         = -1
)

// writtenTrace is the long form as it is written.
type writtenTrace struct {
	File    Path   `yaml:"file"`
	Keep    string `yaml:"keep"`
	Space   string `yaml:"space"`
	Reserve string `yaml:"reserve"`
	Full    string `yaml:"full"`
}

// UnmarshalYAML reads either form.
func (t *Trace) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		return node.Decode(&t.File)
	}
	if node.Kind != yaml.MappingNode {
		return errors.New("it is no name of a file, and has no keys below it")
	}
	var w writtenTrace
	var c keyCheck
	c.node(node, reflect.TypeFor[writtenTrace](), "audit")
	if len(c.faults) > 0 {
		return c.faults[0]
	}
	if err := node.Decode(&w); err != nil {
		return err
	}
	return t.read(w)
}

func (t *Trace) read(w writtenTrace) (err error) {
	if w.File == "" {
		return errors.New("audit.file is missing: name a file")
	}
	t.File = w.File
	if t.Keep, err = parseKeep(w.Keep); err != nil {
		return err
	}
	if t.Space, err = parseSize("space", w.Space); err != nil {
		return err
	}
	if t.Reserve, err = parseSize("reserve", w.Reserve); err != nil {
		return err
	}
	if w.Reserve != "" {
		t.Reserve = cmp.Or(t.Reserve, None)
	}
	if t.Space > 0 && t.Space < 1<<20+t.Reserve {
		return errors.New("audit.space is less than 1 MiB beside the reserve")
	}
	t.GoOn = w.Full == "go_on"
	if !t.GoOn && w.Full != "" && w.Full != "refuse" {
		return fmt.Errorf("audit.full is %.20q: want refuse or go_on", w.Full)
	}
	return nil
}

// mostDays bounds audit.keep: a hundred years.
const mostDays = 36525

// parseKeep reads a number of days, or never; "" = 0.
func parseKeep(text string) (time.Duration, error) {
	switch text {
	case "":
		return 0, nil
	case "never":
		return Never, nil
	}
	digits, ok := strings.CutSuffix(text, "d")
	days, err := strconv.Atoi(digits)
	if !ok || err != nil || days < 1 || days > mostDays {
		return 0, fmt.Errorf("audit.keep is %.20q: want a number of days, such as 366d, or never", text)
	}
	return time.Duration(days) * 24 * time.Hour, nil
}

// units are those of sizes.
var units = []struct {
	name   string
	octets int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"", 1}}

// parseSize reads a size in octets, or with a unit; "" = 0.
func parseSize(key, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64); err == nil && n >= 0 && n <= 1<<50/u.octets {
			return n * u.octets, nil
		}
		break
	}
	return 0, fmt.Errorf("audit.%s is %.20q: want a size, such as 512MiB or 20GiB", key, text)
}
