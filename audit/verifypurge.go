package audit

import (
	"bytes"
	"io"
)

// purge checks a line that says what was purged.
func (c *verifier) purge(at position, e Entry) error {
	if e.Event != AuditPurged {
		return nil
	}
	p, err := readPurge(e)
	if err == nil && c.checks.Purge != nil {
		err = c.checks.Purge(p.Certificate, e.Time())
	}
	if err != nil {
		return broken(at, "its purge does not count: "+err.Error())
	}
	c.report.Purged = append(c.report.Purged, p)
	return nil
}

// lookForPurges finds out where a chain may begin that does not begin at line 1. What these lines say counts only if
// they turn out to be in the chain, which is verified after this.
func (c *verifier) lookForPurges(files []snapped) error {
	if len(files) == 0 || beginsAtOne(files[0]) {
		return nil
	}
	c.purged = map[beginning]bool{}
	for _, f := range files {
		purges, err := readPurges(io.NewSectionReader(f.f, 0, f.size))
		if err != nil {
			return err
		}
		for _, p := range purges {
			c.purged[beginning{p.Number, p.Hash}] = true
		}
	}
	return nil
}

func beginsAtOne(f snapped) bool {
	first, err := firstLine(f.f)
	return err != nil || first.Seq == 1
}

// readPurges returns the well signed purges of one file.
func readPurges(r io.Reader) (list []Purge, err error) {
	lines := newLines(r)
	for lines.next() {
		if !bytes.Contains(lines.text, []byte(`","event":"`+AuditPurged+`"`)) {
			continue
		}
		if e, err := Parse(lines.text); err == nil && e.Event == AuditPurged {
			if p, err := readPurge(e); err == nil {
				list = append(list, p)
			}
		}
	}
	return list, lines.err
}
