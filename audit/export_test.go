package audit

import (
	"os"
	"strings"
)

// OnStep has f called at each point of a commit, a rotation or a purge at which a crash makes a difference: written,
// synced, headed, renamed, begun, said.
func (l *Log) OnStep(f func(step string)) { l.step = f }

// Queued returns how many calls wait for the next commit.
func (l *Log) Queued() int {
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	return len(l.queue.waiting)
}

// Bounds that tests need.
const (
	MostKept = mostKept
)

// Rechain gives lines, each with its newline, the hashes of the lines before them, and the log the head of the last.
// The first keeps what it says.
func Rechain(file string, lines []string) error {
	var end head
	for i, line := range lines {
		e, err := Parse([]byte(strings.TrimSuffix(line, "\n")))
		if err != nil {
			return err
		}
		if i > 0 {
			e.Seq, e.Prev = end.seq+1, end.hash
		}
		text, err := e.line()
		if err != nil {
			return err
		}
		lines[i] = string(text) + "\n"
		end = head{e.Seq, hash(text), end.size + int64(len(lines[i]))}
	}
	return os.WriteFile(headName(file), end.encode(), 0o600)
}
