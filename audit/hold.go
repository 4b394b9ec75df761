package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"tlagate/internal/files"
	"tlagate/internal/stamp"
)

// Held says why nothing of a trace is purged.
type Held struct {
	Since  string `json:"since"`  // RFC 3339
	By     string `json:"by"`     // account of the operating system
	Reason string `json:"reason"` // such as the number of an investigation
}

// String returns since when, by whom and why.
func (h Held) String() string { return fmt.Sprintf("since %s, by %s: %s", h.Since, h.By, h.Reason) }

// maxHold bounds the file that says it.
const maxHold = 8 << 10

// ReadHold returns the hold of a trace; nil = there is none. A hold that cannot be read is one all the same.
func ReadHold(file string) (*Held, error) {
	h := Held{Since: "an unknown time", By: "unknown", Reason: "its file cannot be read"}
	found, err := files.Load(holdName(file), maxHold, func(data []byte) error { return files.DecodeJSON(data, &h) })
	if err == nil && !found {
		return nil, nil
	}
	return &h, err
}

// isHeld reports whether the trace is held; if that is not known, it is.
func isHeld(file string) bool {
	_, err := os.Lstat(holdName(file))
	return !errors.Is(err, fs.ErrNotExist)
}

// Hold has nothing of the trace purged, by whatever program, until Release. That is recorded before it is done; who is
// the [Account] that asks for it, reason such as the number of an investigation.
func (l *Log) Hold(who Attr, reason string) error {
	if h, err := ReadHold(l.cfg.File); h != nil {
		return errors.Join(fmt.Errorf("cannot hold the audit trace: it is held, %s", h), err)
	}
	if err := l.Record(OperatorAct, Act("hold"), who, Reason(reason)); err != nil {
		return err
	}
	h := Held{stamp.Instant(l.now()), who.value, clean(reason, maxValue)}
	text, err := json.Marshal(h)
	if err == nil {
		err = l.alone(func() error { return files.WriteNew(holdName(l.cfg.File), append(text, '\n'), 0o600) })
	}
	if err != nil {
		return fmt.Errorf("cannot hold the audit trace, although that is recorded: %w", err)
	}
	return nil
}

// Release ends a hold: what is old enough is purged again.
func (l *Log) Release(who Attr, reason string) error {
	if !isHeld(l.cfg.File) {
		return errors.New("cannot release the audit trace: it is not held")
	}
	if err := l.Record(OperatorAct, Act("release"), who, Reason(reason)); err != nil {
		return err
	}
	if err := l.alone(func() error { return os.Remove(holdName(l.cfg.File)) }); err != nil {
		return fmt.Errorf("cannot release the audit trace, although that is recorded: %w", err)
	}
	return nil
}

// alone calls f while no program writes to the trace, or purges it.
func (l *Log) alone(f func() error) (err error) {
	l.inTurn(func() { err = l.locked(func(*tail) error { return f() }) })
	return err
}
