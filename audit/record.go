package audit

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Event is one event for [Log.RecordAll].
type Event struct {
	Kind  Kind
	Attrs []Attr
}

// Record appends one event, and returns once it is on the disk. An error means that it is not in the trace: the caller
// must refuse what was to be recorded, unless that takes trust away. The error is [ErrFull] when there is no room.
//
// Events that several callers record at once are written together, with one sync for all.
func (l *Log) Record(kind Kind, attrs ...Attr) error { return l.RecordAll(Event{kind, attrs}) }

// RecordAll is Record for several events, which are written side by side, with one sync, or not at all.
func (l *Log) RecordAll(events ...Event) error {
	if l == nil {
		return nil
	}
	c, err := l.newCall(events)
	if err == nil {
		err = l.submit(c)
	} else {
		l.queue.fail(err)
	}
	if err == nil {
		return nil
	}
	if l.cfg.GoOn && isFull(err) {
		l.later(c.again(l.now()))
		return nil
	}
	if isDiskFull(err) {
		err = fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("cannot record %s in the audit trace %s: %w", names(events), l.cfg.File, err)
}

// Later appends one event that has happened already: it never makes the caller wait, and never fails. What cannot be
// written waits in memory, in order, and is tried again each second; when too much waits, the oldest events are lost,
// and the first line after that, [AuditGap], says how many.
func (l *Log) Later(kind Kind, attrs ...Attr) {
	if l == nil {
		return
	}
	c, err := l.newCall([]Event{{kind, attrs}})
	if err != nil {
		l.queue.lose(err)
		return
	}
	c.happened = l.now()
	l.later(c)
}

// names returns the kinds of events, for an error.
func names(events []Event) string {
	var list []string
	for _, e := range events {
		list = append(list, string(e.Kind))
	}
	return strings.Join(list, ", ")
}

func (l *Log) now() time.Time { return l.cfg.Clock().UTC() }

// call is what one caller brings: events that are written together, or not at all.
type call struct {
	entries  []Entry    // without number, time and hash
	weight   weight     //
	happened time.Time  // of a kept call: when; zero = as it is written
	done     chan error // where the caller waits, with room for one; nil = the call is kept until it is written
	stands   int        // for how many events
	counted  bool       // those are in Stats already
	lost     gap        // of a line about lost events: which
	hides    bool       // it is the line about strangers that no other line counts
	tries    int        // commits that it was in, or waited for
	err      error      // why it is not written
	written  bool
}

// weight says how much room must remain for a call to be written.
type weight int

const (
	strange   weight = iota // about a stranger
	ordinary                //
	essential               // may use the reserve
)

// newCall returns the call of events that somebody else records.
func (l *Log) newCall(events []Event) (*call, error) {
	for _, e := range events {
		if e.Kind == AuditPurged {
			return nil, errors.New("only the trace itself says what is purged")
		}
	}
	return l.makeCall(events)
}

func (l *Log) makeCall(events []Event) (*call, error) {
	c := &call{weight: essential}
	for _, e := range events {
		if !e.Kind.known() {
			return nil, errors.New("this kind of event is not in the table")
		}
		with, who, err := collect(e.Attrs)
		if err != nil {
			return nil, err
		}
		said := saidIn(e.Attrs)
		c.entries = append(c.entries, Entry{Event: e.Kind, By: cmp.Or(who, clean(l.cfg.By, maxValue)), Said: said,
			With: with})
		if !e.Kind.essential() || said != nil { // a device cannot use the room that is kept for what we do
			c.weight = ordinary
		}
	}
	c.stands = len(c.entries)
	if c.stands == 0 {
		return nil, errors.New("there is no event")
	}
	return c, nil
}

// again returns the call as one that is kept until it is written.
func (c *call) again(happened time.Time) *call {
	return &call{entries: c.entries, weight: c.weight, happened: happened, stands: c.stands}
}

func (c *call) kept() bool { return c.done == nil }

// ownCall returns a line that the log itself adds.
func (l *Log) ownCall(kind Kind, attrs ...Attr) *call {
	c, err := l.makeCall([]Event{{kind, attrs}})
	if err != nil {
		panic(err) // the kinds and attributes are this package's
	}
	return c
}
