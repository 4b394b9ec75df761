// Package index finds lines of an audit trace without reading all of it (annex code SA2).
//
// Beside each full file of the trace, audit-000000000001.jsonl, stands an index, audit-000000000001.jsonl.idx: hashes
// of what its lines can be found by, and where those lines begin. It is made when it is first needed and can be thrown
// away at any time. What it says is never taken for true: each line that it names is read, and compared with the query
// again; one that does not fit its file, or is damaged, is made anew. But whoever may write beside the trace can write
// an index that leaves lines out, so that who searches for evidence reads everything ([Everything]) or verifies the
// chain first and throws the indexes away.
package index

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"tlagate/audit"
	"tlagate/internal/files"
)

// Mode says what is done about indexes.
type Mode int

// The modes.
const (
	Kept       Mode = iota // indexes that are missing are made, and written beside the files
	Unwritten              // those that are there are used, those that are missing are made, but not written
	Everything             // no index is used: all lines are read
)

// maxIndexed is the largest file that is indexed, in octets; a larger one is read.
const maxIndexed = 1 << 30

// Trace is a trace as it was when it was opened. It may be searched by several goroutines.
type Trace struct {
	parts []audit.Part
	done  func()
	mode  Mode

	unwritten atomic.Pointer[error]
	made      atomic.Int64
}

// Open opens a trace by the name of its current file. The caller must call Close.
func Open(file string, mode Mode) (*Trace, error) {
	parts, done, err := audit.Parts(file)
	if err != nil {
		return nil, err
	}
	return &Trace{parts: parts, done: done, mode: mode}, nil
}

// Close closes the files of the trace.
func (t *Trace) Close() { t.done() }

// Made returns how many indexes were made so far, whether or not they could be written.
func (t *Trace) Made() int { return int(t.made.Load()) }

// Unwritten returns why an index could not be written, so that it will be made again; nil = all were.
func (t *Trace) Unwritten() error {
	if err := t.unwritten.Load(); err != nil {
		return *err
	}
	return nil
}

// Name returns the file with the index of a full file of a trace.
func Name(full string) string { return full + ".idx" }

// noTime meets no line: of an index that fits, only the header is read.
var noTime = Query{Until: time.Unix(0, 0)}

// Make makes the indexes that a trace lacks. The error is that of the first that could not be made or written.
func Make(ctx context.Context, file string) error {
	t, err := Open(file, Kept)
	if err != nil {
		return err
	}
	defer t.Close()
	for _, p := range t.parts {
		if ctx.Err() != nil || !indexed(p) {
			continue
		}
		if _, err := t.table(p, noTime); err != nil {
			return err
		}
	}
	return errors.Join(ctx.Err(), t.Unwritten())
}

func indexed(p audit.Part) bool { return p.Full && p.Size() > 0 && p.Size() <= maxIndexed }

// table returns the index of a file, read or made. Of one that does not meet the query, it may have only the header.
func (t *Trace) table(p audit.Part, q Query) (*table, error) {
	k, err := keyOf(p)
	if err != nil {
		return nil, err
	}
	if x, err := load(Name(p.Name), k, q, p.Size()); err == nil {
		return x, nil
	}
	return t.build(p, k)
}

// load reads an index, if it is that of the file with a key and a size.
func load(name string, k key, q Query, size int64) (*table, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw := make([]byte, headerLength)
	if _, err := io.ReadFull(f, raw); err != nil {
		return nil, errForm
	}
	h, err := parseHeader(raw)
	switch {
	case err != nil:
		return nil, err
	case h.key != k:
		return nil, errStale
	case !h.meets(q):
		return &table{header: h}, nil
	case int64(h.length) > mostOf(size):
		return nil, errForm
	}
	body, err := files.ReadAll(f, int64(h.length), mostOf(size))
	if err != nil {
		return nil, err
	}
	return parseTable(h, body)
}

// mostOf returns the greatest length of the body of an index of a file of size octets: a line has at least 100 octets,
// and at most 14 tokens, which take a row of 12 octets and a posting of at most 5.
func mostOf(size int64) int64 { return size/100*14*(rowLength+5) + 1<<16 }

// build makes the index of a file, and writes it if that is wanted and possible.
func (t *Trace) build(p audit.Part, k key) (*table, error) {
	b := newBuilder(k)
	for line, err := range p.Lines() {
		if err != nil {
			return nil, err
		}
		b.add(line)
	}
	x, err := b.table()
	if err != nil {
		return nil, fmt.Errorf("cannot index %s: %w; use --no-index", p.Name, err)
	}
	t.made.Add(1)
	if t.mode == Kept {
		if err := write(p.Name, x); err != nil {
			t.unwritten.Store(&err)
		}
	}
	return x, nil
}

// write writes the index of a file beside it, for those who may read the file.
func write(full string, x *table) error {
	info, err := os.Stat(full)
	if err != nil {
		return err
	}
	return files.Replace(Name(full), slices.Concat(x.encode(), x.body), info.Mode().Perm())
}

// keyOf returns the key of a file's index.
func keyOf(p audit.Part) (k key, err error) {
	first, _, err := p.LineAt(0)
	if err != nil {
		return k, err
	}
	last, err := p.Last()
	if err != nil {
		return k, err
	}
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(p.Size())))
	h.Write([]byte(first.Text + "\n"))
	h.Write(last)
	return key(h.Sum(nil)), nil
}
