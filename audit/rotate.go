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
	if err := errors.Join(t.flush(), t.store()); err != nil {
		return err
	}
	first, err := firstLine(t.file)
	if err != nil {
		return err
	}
	if err := t.prepareNext(); err != nil {
		return err
	}
	if err := t.swap(segmentName(t.log.cfg.File, first.Seq)); err != nil {
		return err
	}
	t.head.size, t.rotated = 0, true
	t.log.known.full += t.log.known.size
	t.log.known.strange = 0
	t.remember()
	t.anew()
	return t.store()
}

// prepareNext makes the next file, under a name of its own, and gives back what the full one has of the reserve.
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
	return errors.Join(f.Chmod(info.Mode().Perm()), f.Close(), t.file.Truncate(t.head.size))
}

// swap renames the full file to its final name, and the next one to the log's.
func (t *tail) swap(full string) error {
	name := t.log.cfg.File
	t.file.Close()
	err := os.Rename(name, full)
	if err == nil {
		t.step("renamed")
		if err = os.Rename(nextName(name), name); err != nil {
			err = errors.Join(err, os.Rename(full, name))
		}
	}
	if err == nil {
		t.step("begun")
		err = files.SyncDir(filepath.Dir(name))
		t.log.synced()
	}
	var opened error
	t.file, opened = create(name)
	t.allocated = 0
	return errors.Join(err, opened)
}
