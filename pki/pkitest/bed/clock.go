package bed

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"
)

// Clock is a clock that a test can put forward while others read it.
type Clock struct{ ahead atomic.Int64 }

// Now returns the time that it shows.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// Forward puts it forward.
func (c *Clock) Forward(by time.Duration) { c.ahead.Add(int64(by)) }

// LogBuffer collects a log that several goroutines write.
type LogBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write adds p to the log.
func (l *LogBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns the whole log.
func (l *LogBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
