package audit

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"tlagate/internal/files"
)

// next writes the draft, puts the current file away, and begins the next one, with the same mode. If there is no room
// for that, the log is as it was before, and the file may grow on.
//
// The head is on the disk before a file is renamed, and again before the next file has a line: so a head that is older
// than a power cut is always one of the file that is there, or of the one just put away.
func (t *tail) next() error {
	if t.stuck {
		return nil
	}
	err := t.prepareNext()
	if t.stuck = isFull(err); t.stuck {
		return nil
	}
	if err != nil {
		return err
	}
	if err := errors.Join(t.flush(), t.store()); err != nil {
		return err
	}
	first, err := firstLine(t.file)
	if err != nil {
		return err
	}
	return t.swap(segmentName(t.log.cfg.File, first.Seq))
}

// prepareNext makes the next file, under a name of its own, with its reserve: only then is that of the full one given
// back, for on a full disk somebody else would have it at once.
func (t *tail) prepareNext() error {
	info, err := t.file.Stat()
	if err != nil {
		return err
	}
	name := nextName(t.log.cfg.File)
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if t.log.cfg.Reserve > 0 {
		if err = allocate(f, t.log.cfg.Reserve); !isDiskFull(err) {
			err = nil // or this file system has no such thing
		}
	}
	if err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// swap renames the full file to its final name, and the next one to the log's, with which it goes on.
func (t *tail) swap(full string) error {
	name := t.log.cfg.File
	if err := errors.Join(t.cut(), t.file.Close()); err != nil {
		return errors.Join(err, t.reopen())
	}
	err := os.Rename(name, full)
	if err == nil {
		t.log.tell("renamed")
		if err = os.Rename(nextName(name), name); err != nil {
			err = errors.Join(err, os.Rename(full, name))
		} else {
			t.begun()
			err = files.SyncDir(filepath.Dir(name))
		}
	}
	if err := errors.Join(err, t.reopen()); err != nil {
		return err
	}
	return t.store()
}

func (t *tail) reopen() (err error) {
	t.file, err = create(t.log.cfg.File)
	return err
}

// begun notes that the current file is a new one.
func (t *tail) begun() {
	t.log.tell("begun")
	k := &t.log.known
	k.full, k.strange = k.full+k.size, 0
	t.head.size, t.rotated, t.allocated = 0, true, 0
	t.remember()
	t.anew()
}
