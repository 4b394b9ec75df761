package pki

import (
	"os"
	"time"
)

// Settled is how old a file's modification time must be before it proves that the file has not changed since: two
// writes within one tick of the clock look alike.
const Settled = 2 * time.Second

// FileWatch finds out whether any of several files has changed, by their time, size and inode. One goroutine at a time
// may use it.
type FileWatch struct {
	files []string
	seen  []fileState
}

type fileState struct {
	info os.FileInfo // nil = absent, or cannot be examined
	at   time.Time   // when it was examined
}

// NewFileWatch returns a watch that compares the files with what they are now.
func NewFileWatch(files ...string) *FileWatch {
	w := &FileWatch{files: files, seen: make([]fileState, len(files))}
	w.Changed()
	return w
}

// Changed examines each file and reports whether one differs from what it was the last time. A file written less than
// Settled ago counts as changed once more.
func (w *FileWatch) Changed() bool {
	changed := false
	for i, file := range w.files {
		last := w.seen[i]
		info, err := os.Stat(file)
		if err != nil {
			info = nil
		}
		w.seen[i] = fileState{info, time.Now()}
		changed = changed || !last.same(info)
	}
	return changed
}

func (s fileState) same(now os.FileInfo) bool {
	if s.info == nil || now == nil {
		return s.info == nil && now == nil
	}
	return os.SameFile(s.info, now) && s.info.Size() == now.Size() && s.info.ModTime().Equal(now.ModTime()) &&
		s.at.Sub(now.ModTime()) > Settled
}
