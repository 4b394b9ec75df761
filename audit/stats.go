package audit

import (
	"os"
	"path/filepath"
	"time"
)

// Stats is the state of a Log, for metrics, since it was opened.
type Stats struct {
	Lines   uint64 // that it wrote
	Syncs   uint64 // that it took for that
	Waited  int    // for how many commits the caller of Record waited that waited longest
	Failing string // why an event of the last commit is not in the trace; "" = all are
	Waiting int    // events that wait until they can be written
	Lost    int    // events that were lost because too many waited

	Rationed int       // events about strangers that were only counted
	Used     int64     // octets of the trace's files
	Free     int64     // octets that it may still take, of the disk and of Config.Space; -1 = unknown
	Reserve  bool      // the reserve is whole; false without one, too
	Purge    string    // why the last purge failed; "" = it did not
	Held     bool      // nothing is purged, for an investigation
	Oldest   time.Time // of the oldest line; zero = unknown
}

// Stats returns the state of the log. It reads from the disk.
func (l *Log) Stats() Stats {
	if l == nil {
		return Stats{Free: noFree}
	}
	s := l.queue.counts()
	s.Free = free(l.cfg, s.Used)
	s.Held = isHeld(l.cfg.File)
	s.Oldest = oldest(l.cfg.File)
	return s
}

// free returns how many octets may still be written, beside those used.
func free(cfg Config, used int64) int64 {
	disk := freeOctets(filepath.Dir(cfg.File))
	if cfg.Space == 0 {
		return disk
	}
	left := max(0, cfg.Space-used)
	if disk == noFree {
		return left
	}
	return min(disk, left)
}

// oldest returns the time of the first line of the oldest file.
func oldest(file string) time.Time {
	names, err := segments(file)
	if err != nil {
		return time.Time{}
	}
	if len(names) > 0 {
		file = names[0].name
	}
	f, err := os.Open(file)
	if err != nil {
		return time.Time{}
	}
	defer f.Close()
	first, _ := firstLine(f)
	return first.Time()
}

// Syncs returns how often the log has waited for the disk.
func (l *Log) Syncs() uint64 { return l.queue.counts().Syncs }

// counts returns what the queue knows of the state of its log.
func (q *queue) counts() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Waiting = q.kept + q.taken
	if q.failing != nil {
		s.Failing = q.failing.Error()
	}
	return s
}

// synced, used and purged note what a commit or a purge did.
func (q *queue) synced() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Syncs++
}

func (q *queue) used(k known) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Used, q.stats.Reserve = k.full+k.size, k.reserve
}

func (q *queue) purged(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stats.Purge = ""; err != nil {
		q.stats.Purge = err.Error()
	}
}
