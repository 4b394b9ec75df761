package integrity

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"time"
)

// Config says what is compared.
type Config struct {
	Manifests []string // their files
	// Judge returns why a chain may not sign manifests, judged as of the time when the manifest was first taken; a
	// revocation that is known now counts.
	Judge func(chain []*x509.Certificate, taken time.Time) error

	State         string           // file of what is kept over restarts, such as audit.jsonl.integrity
	Program       string           // the file that runs; "" = /proc/self/exe, or what has its name where there is none
	Configuration string           // our configuration file; "" = none
	Root          string           // put before every path: for tests; "" = /
	Clock         func() time.Time // nil = time.Now
}

func (c Config) under(path string) string { return filepath.Join(c.Root, path) }

func (c Config) now() time.Time {
	if c.Clock == nil {
		return time.Now()
	}
	return c.Clock()
}

// Result is what a comparison has found.
type Result struct {
	At        time.Time
	Manifests []Taken
	Findings  []Finding    // line by line
	Differs   []Difference // of manifests, of the program that runs, and of the findings
	Uncovered bool         // no manifest lists our configuration
	Lost      string       // what became of the last result; "" = it is known, or there was none
}

// Taken is a manifest that was accepted.
type Taken struct {
	File, Signer string
	*Signed
	New bool // it is another one than the last time
}

// Examine compares, and records nothing.
func Examine(c Config) (*Result, error) {
	k, why, err := load(c.State)
	if err != nil {
		return nil, err
	}
	r, _ := c.examine(k)
	r.Lost = why
	return r, nil
}

// examine compares with what was kept of the last time; next is what to keep now, but for the differences.
func (c Config) examine(k *kept) (r *Result, next map[string]accepted) {
	now := c.now()
	r, next = &Result{At: now}, map[string]accepted{}
	for _, file := range c.Manifests {
		m, last, wrong := c.open(file, k.Manifests[file], now)
		if last.Name != "" {
			next[file] = last
		}
		if wrong != nil {
			r.Differs = append(r.Differs, *wrong)
			continue
		}
		r.Manifests = append(r.Manifests, Taken{file, signer(m.Chain), m, last != k.Manifests[file]})
		r.add(m.compare(c.Root, file))
	}
	if len(r.Manifests) > 0 {
		r.program(c.Program)
	}
	r.Uncovered = c.Configuration != "" && !r.lists(func(e Entry) bool {
		return e.Path == c.Configuration && e.Kind == File
	})
	return r, next
}

func (r *Result) add(all []Finding) {
	r.Findings = append(r.Findings, all...)
	for _, f := range all {
		if f.Differs != nil {
			r.Differs = append(r.Differs, *f.Differs)
		}
	}
}

// program adds a difference if no manifest lists the very file that runs.
func (r *Result) program(file string) {
	name, sum, err := running(file)
	switch {
	case err != nil:
		r.Differs = append(r.Differs, Difference{Path: name, Why: Unreadable, Found: plain(err)})
	case !r.lists(func(e Entry) bool { return e.SHA256 == sum }):
		r.Differs = append(r.Differs, Difference{Path: name, Why: Unlisted, Found: sum})
	}
}

func (r *Result) lists(is func(Entry) bool) bool {
	for _, f := range r.Findings {
		if is(f.Entry) {
			return true
		}
	}
	return false
}

// self is the file that runs, even if another has its name by now.
const self = "/proc/self/exe"

// running returns the name and SHA-256 of the program's file.
func running(file string) (name, sum string, err error) {
	if file == "" {
		if name, err = os.Executable(); err != nil {
			return self, "", err
		}
		if file = self; !exists(self) {
			file = name
		}
	} else {
		name = file
	}
	f, err := os.Open(file)
	if err != nil {
		return name, "", err
	}
	defer f.Close()
	sum, _, err = sumOf(f)
	return name, sum, err
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
