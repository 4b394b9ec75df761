package home

import (
	"encoding/json"
	"errors"
	"time"

	"tlagate/audit"
	"tlagate/internal/files"
)

// cursor is the file of a sender: the last line of our trace that a gateway has confirmed.
type cursor struct {
	Seq uint64 `json:"seq"`
}

// maxCursor bounds the file, in octets.
const maxCursor = 1024

// cursor returns the number of the last line that was sent. Without the file, or when it speaks of another trace, no
// more than a session takes, of the last day, is sent.
func (s *Sender) cursor() (uint64, error) {
	last, err := audit.Last(s.cfg.Trace.File())
	if err != nil {
		return 0, err
	}
	var c cursor
	found, err := files.Load(s.file, maxCursor, func(data []byte) error { return files.DecodeJSON(data, &c) })
	if _, ok := errors.AsType[*files.Damaged](err); ok {
		found, err = false, nil
	}
	if err != nil || found && c.Seq <= last {
		return c.Seq, err
	}
	return s.beginning(last)
}

func (s *Sender) moveCursor(to uint64) error {
	data, err := json.Marshal(cursor{to})
	if err != nil {
		return err
	}
	return files.Replace(s.file, data, 0o600)
}

// What is sent of a trace of which nothing was sent before.
const (
	recent   = 24 * time.Hour
	shortest = 64 // octets of a line, at least
)

// beginning returns the number after which a trace is sent at first; last is its last line.
func (s *Sender) beginning(last uint64) (uint64, error) {
	after, octets := last-min(last, fewerOctets/shortest), 0
	oldest := s.cfg.Clock().Add(-recent)
	var kept []audit.Line // what is sent so far
	lines := audit.Follow(s.cfg.Trace.File(), audit.Place{Seq: after})
	defer lines.Close()
	for l, err := range lines.Rest() {
		if err != nil {
			return 0, err
		}
		kept, octets = append(kept, l), octets+len(l.Text)
		for len(kept) > 0 && (octets > fewerOctets || kept[0].Entry.Time().Before(oldest)) {
			after, octets, kept = kept[0].Entry.Seq, octets-len(kept[0].Text), kept[1:]
		}
	}
	return after, nil
}
