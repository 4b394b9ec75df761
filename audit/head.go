package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// head is what the file beside the log says of the log's end: number and hash of its last line, and the size of the
// file. It is written after the line, in place, and always has the same length.
type head struct {
	seq  uint64
	hash string
	size int64 // of the current file
}

const headLength = 20 + 1 + 64 + 1 + 20 + 1

var errHead = errors.New("it is not the head of a trace")

func (h head) encode() []byte { return fmt.Appendf(nil, "%020d %s %020d\n", h.seq, h.hash, h.size) }

func parseHead(raw []byte) (h head, err error) {
	if len(raw) != headLength {
		return h, errHead
	}
	h.seq, err = strconv.ParseUint(string(raw[:20]), 10, 64)
	size, sizeErr := strconv.ParseInt(string(raw[86:106]), 10, 64)
	h.hash, h.size = string(raw[21:85]), size
	if err != nil || sizeErr != nil || string(h.encode()) != string(raw) || onlyHex(h.hash) != h.hash {
		return head{}, errHead
	}
	return h, nil
}

// readHead reads a head file. An empty one was just made: fresh.
func readHead(f *os.File) (h head, fresh bool, err error) {
	raw, err := io.ReadAll(io.NewSectionReader(f, 0, headLength+1))
	if err != nil {
		return head{}, false, err
	}
	if len(raw) == 0 {
		return head{hash: noHash}, true, nil
	}
	h, err = parseHead(raw)
	return h, false, err
}

// write writes the head, which reaches the disk when the system likes: a head that knows less than the log is no harm.
func (h head) write(f *os.File) error {
	_, err := f.WriteAt(h.encode(), 0)
	return err
}
