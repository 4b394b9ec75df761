// Package audittest does to traces what root at a machine could do, for tests.
package audittest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tlagate/audit"
)

// Rewrite writes a trace anew, full files included, as one chain whose head fits: nothing on the machine tells. Change
// alters a line, and reports whether it stays; the lines after one that does not stay are numbered anew.
func Rewrite(file string, change func(*audit.Entry) (stays bool)) error {
	ext := filepath.Ext(file)
	names, err := filepath.Glob(strings.TrimSuffix(file, ext) + "-*" + ext)
	if err != nil {
		return err
	}
	slices.Sort(names)
	w := rewriter{prev: strings.Repeat("0", 64), change: change}
	size := 0
	for _, name := range append(names, file) {
		if size, err = w.file(name); err != nil {
			return err
		}
	}
	return os.WriteFile(file+".head", fmt.Appendf(nil, "%020d %s %020d\n", w.seq, w.prev, size), 0o600)
}

type rewriter struct {
	seq    uint64
	prev   string
	change func(*audit.Entry) bool
}

func (w *rewriter) file(name string) (size int, err error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	var out bytes.Buffer
	for line := range bytes.Lines(raw) {
		e, err := audit.Parse(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			return 0, err
		}
		if !w.change(&e) {
			continue
		}
		e.Seq, e.Prev = w.seq+1, w.prev
		text, err := json.Marshal(e)
		if err != nil {
			return 0, err
		}
		w.seq, w.prev = e.Seq, audit.Line{Text: string(text)}.Hash()
		out.Write(append(text, '\n'))
	}
	return out.Len(), os.WriteFile(name, out.Bytes(), 0o600)
}
