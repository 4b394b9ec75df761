package index

import (
	"context"
	"fmt"
	"iter"

	"tlagate/audit"
)

// Search returns the lines that a query wants, oldest first, and every line that it meets and cannot read. It ends
// after an error, and with that of ctx when that is done.
func (t *Trace) Search(ctx context.Context, q Query) iter.Seq2[audit.Line, error] {
	return func(yield func(audit.Line, error) bool) {
		for _, p := range t.parts {
			s := &search{trace: t, part: p, query: q, yield: yield}
			if err := ctx.Err(); err != nil {
				s.fail(err)
				return
			}
			if !s.run() {
				return
			}
		}
	}
}

// search is a search of one file. Its methods report whether to go on.
type search struct {
	trace *Trace
	part  audit.Part
	query Query
	yield func(audit.Line, error) bool
	next  int64 // offset of the first line that was not looked at yet
}

func (s *search) run() bool {
	if s.trace.mode == Everything || !indexed(s.part) {
		return s.scan()
	}
	x, err := s.trace.table(s.part, s.query)
	if err != nil {
		return s.fail(err)
	}
	if fits, more := s.follow(x); fits || !more {
		return more
	}
	if x, err = s.again(); err != nil {
		return s.fail(err)
	}
	fits, more := s.follow(x)
	if !fits && more {
		return s.fail(fmt.Errorf("cannot read the audit trace %s: it changes meanwhile", s.part.Name))
	}
	return more
}

// again makes the index anew, because the one that is there is not that of the file.
func (s *search) again() (*table, error) {
	k, err := keyOf(s.part)
	if err != nil {
		return nil, err
	}
	return s.trace.build(s.part, k)
}

func (s *search) fail(err error) bool {
	s.yield(audit.Line{}, err)
	return false
}

// scan looks at all lines.
func (s *search) scan() bool {
	for line, err := range s.part.Lines() {
		if err != nil {
			return s.fail(err)
		}
		if line.Offset >= s.next && !s.offer(line) {
			return false
		}
	}
	return true
}

// offer hands on a line that is wanted.
func (s *search) offer(l audit.Line) bool {
	s.next = l.Offset + 1
	return l.Err == nil && !s.query.Match(l.Entry) || s.yield(l, nil)
}

// follow looks at the lines that an index names. fits reports whether it can be an index of the file.
func (s *search) follow(x *table) (fits, more bool) {
	if !x.meets(s.query) {
		return true, true
	}
	offsets, all, err := x.hits(s.query)
	if err != nil {
		return false, true
	}
	if all {
		return true, s.scan()
	}
	for _, offset := range offsets {
		if offset < s.next {
			continue
		}
		line, ok, err := s.part.LineAt(offset)
		switch {
		case err != nil:
			return true, s.fail(err)
		case !ok:
			return false, true
		case !s.offer(line):
			return true, false
		}
	}
	return true, true
}
