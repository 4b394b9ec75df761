package pki

import (
	"os"
	"time"
)

// Settled is how old a file's time must be before it says anything: within one tick of it, two writes look alike.
const Settled = 2 * time.Second

// FileWatch tells whether any of some files has changed, by their time, size and inode. One goroutine at a time.
type FileWatch struct {
	files []string
	seen  []fileState
}

type fileState struct {
	info os.FileInfo // nil = absent, or not to be looked at
	at   time.Time   // of the look
}

// NewFileWatch watches files as they are now.
func NewFileWatch(files ...string) *FileWatch {
	w := &FileWatch{files: files, seen: make([]fileState, len(files))}
	w.Changed()
	return w
}

// Changed looks at each file and says whether one is not as it was at the last look. A file written just now is looked
// at twice: within a tick of its clock, two writes look alike.
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
