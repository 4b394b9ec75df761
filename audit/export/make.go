// Package export writes lines of an audit trace into a file that only its recipients can read (annex code SA2), and
// verifies what came out of it again. docs/audit.md specifies the form.
package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"filippo.io/age"

	"tlagate/audit"
	"tlagate/audit/index"
	"tlagate/internal/files"
	"tlagate/internal/recipients"
	"tlagate/internal/stamp"
)

// format is what the first line of an export begins with.
const format = "tlagate audit trace 1"

// Header is the first line of an export.
type Header struct {
	Export     string      `json:"export"`  // format
	Program    string      `json:"program"` // that made it
	Made       string      `json:"made"`    // UTC, RFC 3339
	Filters    index.Query `json:"filters"`
	Count      int         `json:"count"`                // of lines that follow
	Unreadable int         `json:"unreadable,omitempty"` // lines that were left out, because they cannot be read
	First      uint64      `json:"first"`                // number of the first line
	Last       uint64      `json:"last"`
	Chain      bool        `json:"chain"`            // the lines are one range of the chain, none is missing in between
	Before     string      `json:"before,omitempty"` // of a chain: SHA-256 of the line before the first, in hexadecimal
	Hash       string      `json:"hash"`             // of the last line
}

// Config says what to export, and to whom.
type Config struct {
	Trace      *index.Trace
	Query      index.Query
	Program    string           // that makes it
	Recipients recipients.List  // who can read it; at least one
	To         string           // the file to make, which must not exist; of no meaning to Stream
	Clock      func() time.Time // nil = time.Now
}

// Free refuses a file that exists.
func Free(file string) error {
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot write the export %s: %w; name another file", file, errors.Join(err, fs.ErrExist))
	}
	return nil
}

// Make makes an export, all of it or nothing, mode 0600.
func Make(ctx context.Context, cfg Config) (Header, error) {
	if err := Free(cfg.To); err != nil {
		return Header{}, err
	}
	h, err := cfg.survey(ctx)
	if err != nil {
		return h, fmt.Errorf("cannot export the audit trace: %w", err)
	}
	s, err := files.Stage(cfg.To, 0o600, func(out io.Writer) error { return cfg.write(ctx, out, h) })
	if err == nil {
		defer s.Discard()
		err = s.PlaceNew()
	}
	if err != nil {
		return h, fmt.Errorf("cannot write the export %s: %w", cfg.To, err)
	}
	return h, nil
}

// ErrNothing means that no line is within the filters.
var ErrNothing = errors.New("no line is within these filters")

// Stream makes an export and writes it to where begin says, when it is known what the first line of it is. After an
// error of writing, what was written cannot be decrypted whole.
func Stream(ctx context.Context, cfg Config, begin func(Header) io.Writer) error {
	h, err := cfg.survey(ctx)
	if err == nil {
		err = cfg.write(ctx, begin(h), h)
	}
	if err != nil {
		return fmt.Errorf("cannot export the audit trace: %w", err)
	}
	return nil
}

// survey reads all lines, for what the first line says of them.
func (cfg Config) survey(ctx context.Context) (Header, error) {
	now := time.Now
	if cfg.Clock != nil {
		now = cfg.Clock
	}
	h := Header{Export: format, Program: cfg.Program, Made: stamp.Instant(now()), Filters: cfg.Query, Chain: true}
	for line, err := range cfg.Trace.Search(ctx, cfg.Query) {
		if err != nil {
			return h, err
		}
		h.add(line)
	}
	if h.Count == 0 {
		return h, ErrNothing
	}
	if !h.Chain {
		h.Before = ""
	}
	return h, nil
}

func (h *Header) add(l audit.Line) {
	switch {
	case l.Err != nil:
		h.Unreadable++
		return
	case h.Count == 0:
		h.First, h.Before = l.Entry.Seq, l.Entry.Prev
	case l.Entry.Seq != h.Last+1 || l.Entry.Prev != h.Hash:
		h.Chain = false
	}
	h.Count++
	h.Last, h.Hash = l.Entry.Seq, audit.HashOf(l.Text)
}

// write encrypts the first line and those that it was made of.
func (cfg Config) write(ctx context.Context, out io.Writer, h Header) error {
	sealed, err := age.Encrypt(out, cfg.Recipients...)
	if err != nil {
		return err
	}
	first, err := json.Marshal(h)
	if err == nil && len(first) >= maxHeader {
		err = errors.New("the filters are too long")
	}
	if err != nil {
		return err
	}
	if _, err := sealed.Write(append(first, '\n')); err != nil {
		return err
	}
	again := Header{Export: h.Export, Program: h.Program, Made: h.Made, Filters: h.Filters, Chain: true}
	for line, err := range cfg.Trace.Search(ctx, cfg.Query) {
		if err != nil {
			return err
		}
		if again.add(line); line.Err != nil {
			continue
		}
		if _, err := io.WriteString(sealed, line.Text+"\n"); err != nil {
			return err
		}
	}
	if again.Count != h.Count || again.Hash != h.Hash {
		return errors.New("the trace was altered meanwhile")
	}
	return sealed.Close()
}
