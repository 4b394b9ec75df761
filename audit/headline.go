package audit

import "time"

// Head returns number and hash of the last line, which is on the disk, and when that was so; number 0 = there is no
// line, or no log.
func (l *Log) Head() (number uint64, hash string, at time.Time, err error) {
	if l == nil {
		return 0, "", time.Time{}, nil
	}
	err = l.locked(func(t *tail) error {
		number, hash, at = t.head.seq, t.head.hash, t.log.cfg.Clock()
		return nil
	})
	return number, hash, at, err
}

// Hash returns the hash of the line, as the line after it has it.
func (l Line) Hash() string { return hash([]byte(l.Text)) }
