package codes

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var whos = []string{"tlagate", "operator", "editor"}

// Check compares the rows with the source tree at root and returns all faults, in the order of the rows.
func Check(root string, rows []Row) ([]string, error) {
	c, err := newChecker(root)
	if err != nil {
		return nil, err
	}
	return c.check(rows), nil
}

// checker compares rows with a source tree, and collects faults.
type checker struct {
	tree     *tree
	pages    map[string]string
	promised map[string][]string // codes, by page
	faults   []string
}

func newChecker(root string) (*checker, error) {
	t, err := readTree(root)
	if err != nil {
		return nil, fmt.Errorf("cannot read the source tree: %w", err)
	}
	pages, err := readPages(root)
	if err != nil {
		return nil, fmt.Errorf("cannot read the documents: %w", err)
	}
	c := &checker{tree: t, pages: pages, promised: map[string][]string{}}
	for name, text := range pages {
		c.promised[name] = promises(text)
	}
	return c, nil
}

func (c *checker) check(rows []Row) []string {
	c.faults = nil
	c.list(rows)
	for _, r := range rows {
		c.row(r)
	}
	c.promises(rows)
	c.headings(rows)
	return c.faults
}

func (c *checker) faultf(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// list checks that each sentence has one row, in the annex's order.
func (c *checker) list(rows []Row) {
	want, have := Identifiers(), make([]string, len(rows))
	for i, r := range rows {
		have[i] = r.ID
		if !slices.Contains(want, r.ID) {
			c.faultf("%s: the annex has no such sentence (integration/codes/annex.go)", r.ID)
		}
	}
	for _, id := range want {
		if !slices.Contains(have, id) {
			c.faultf("%s: this sentence has no row in %s", id, Source)
		}
	}
	if len(c.faults) == 0 && !slices.Equal(want, have) {
		c.faultf("%s: a row stands twice, or not in the annex's order", Source)
	}
}

func (c *checker) row(r Row) {
	c.words(r)
	for _, name := range r.Functions {
		if !c.tree.names[name] {
			c.faultf("%s: there is no %s; of that name: %s", r.ID, name, strings.Join(c.tree.like(name), ", "))
		}
	}
	for _, name := range r.Tests {
		c.test(r, name)
	}
	if r.State == Answered && !slices.ContainsFunc(r.Tests, c.runs) {
		c.faultf("%s: it is answered, and no test of the row runs everywhere where CI runs", r.ID)
	}
	for _, name := range r.Documents {
		c.document(r, name)
	}
}

// words checks that a row says what its state requires.
func (c *checker) words(r Row) {
	if r.Sentence == "" || !slices.Contains(states, r.State) || len(r.Who) == 0 {
		c.faultf("%s: a row has a sentence, a state and who answers", r.ID)
	}
	for _, w := range r.Who {
		if !slices.Contains(whos, w) {
			c.faultf("%s: %q answers; give %s", r.ID, w, strings.Join(whos, ", "))
		}
	}
	evidence := len(r.Functions) + len(r.Tests) + len(r.Documents)
	switch {
	case r.State == Answered && r.Missing != "":
		c.faultf("%s: it is answered, and something is missing", r.ID)
	case r.State != Answered && r.Missing == "":
		c.faultf("%s: it is not answered, and nothing is missing", r.ID)
	case (r.State == Answered || r.State == Partly) && (r.Mechanism == "" || evidence == 0):
		c.faultf("%s: it is %s, and the row does not say by what", r.ID, r.State)
	case r.State == Organisational && slices.Equal(r.Who, []string{"tlagate"}):
		c.faultf("%s: it is organisational: operator or editor answers", r.ID)
	}
}

func (c *checker) test(r Row, name string) {
	found := c.tree.tests[name]
	if len(found) == 0 {
		c.faultf("%s: there is no test %s", r.ID, name)
	}
	if slices.ContainsFunc(found, func(f *function) bool { return c.tree.fate(f).hidden }) {
		c.faultf("%s: CI may never run %s: it wants another build or a variable of the environment", r.ID, name)
	}
}

// runs reports whether every test of that name runs wherever CI runs.
func (c *checker) runs(name string) bool {
	found := c.tree.tests[name]
	return len(found) > 0 && !slices.ContainsFunc(found, func(f *function) bool { return !c.tree.fate(f).always })
}

// document checks that a document is there, with its heading, and that a page of a row that is answered does not say
// that something is not there yet.
func (c *checker) document(r Row, name string) {
	file, anchor, _ := strings.Cut(name, "#")
	text, isPage := c.pages[file]
	if !isPage {
		if info, err := os.Stat(filepath.Join(c.tree.root, file)); err != nil || !info.Mode().IsRegular() ||
			anchor != "" {
			c.faultf("%s: there is no document %s", r.ID, name)
		}
		return
	}
	part, found := below(text, anchor)
	if !found {
		c.faultf("%s: %s has no heading #%s", r.ID, file, anchor)
	}
	if r.State == Answered && unfinished.MatchString(part) {
		c.faultf("%s: it is answered, and %s says %q", r.ID, name, unfinished.FindString(part))
	}
}

// promises checks that no page says of a code that something is not there yet when all of its sentences are answered.
func (c *checker) promises(rows []Row) {
	open := map[string]bool{}
	for _, r := range rows {
		open[r.Code()] = open[r.Code()] || r.State != Answered
	}
	for _, page := range slices.Sorted(maps.Keys(c.promised)) {
		for _, code := range c.promised[page] {
			if !open[code] {
				c.faultf("%s: %s says that something of %s is not there yet, and all of its sentences are answered",
					code, page, code)
			}
		}
	}
}

// headings checks that a page that names a code in a heading is among the documents of a row of that code. Rows that
// nobody looked at again when the page was written say that something is missing that is there.
func (c *checker) headings(rows []Row) {
	known := map[[2]string]bool{}
	for _, r := range rows {
		for _, name := range r.Documents {
			file, _, _ := strings.Cut(name, "#")
			known[[2]string{r.Code(), file}] = true
		}
	}
	for _, page := range slices.Sorted(maps.Keys(c.pages)) {
		for _, s := range sections(c.pages[page]) {
			for _, code := range named.FindAllString(s.heading, -1) {
				if !known[[2]string{code, page}] {
					c.faultf("%s: the heading %q of %s names it, and no row of %[1]s has that page: does one say too "+
						"little?", code, s.heading, page)
				}
			}
		}
	}
}
