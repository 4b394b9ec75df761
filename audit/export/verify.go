package export

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"tlagate/audit"
	"tlagate/internal/files"
)

// maxHeader is the longest first line, in octets with its newline.
const maxHeader = 64 << 10

// ErrSelection means that an export is not one range of the chain, so that nobody can tell from it alone whether a line
// is missing or altered.
var ErrSelection = errors.New("cannot verify the export: it is a selection of lines, not one range of the chain; " +
	"compare its lines with the trace itself, or export without filters other than --since and --until")

// Verify verifies a decrypted export that is one range of the chain. The error is ErrSelection, a *audit.Broken, or of
// reading.
func Verify(r io.Reader) (Header, audit.Report, error) {
	in := bufio.NewReaderSize(r, maxHeader)
	first, err := in.ReadSlice('\n')
	if err != nil {
		return Header{}, audit.Report{}, errors.New("cannot read the export: it has no first line that says what it " +
			"is; decrypt it with age first")
	}
	var h Header
	if err := files.DecodeJSON(first, &h); err != nil || h.Export != format {
		return Header{}, audit.Report{}, fmt.Errorf("cannot read the export: its first line does not begin with "+
			"%q: decrypt it with age first", format)
	}
	if !h.Chain {
		return h, audit.Report{}, ErrSelection
	}
	report, err := h.verify(in)
	return h, report, err
}

// verify verifies the lines after the first.
func (h Header) verify(in io.Reader) (audit.Report, error) {
	report, err := audit.VerifyRange(in, h.First, h.Before)
	if broken, ok := errors.AsType[*audit.Broken](err); ok {
		return report, &audit.Broken{Line: broken.Line + 1, Why: broken.Why}
	}
	if err == nil && (report.Lines != h.Count || report.Last != h.Last || report.Hash != h.Hash || report.Torn > 0) {
		err = &audit.Broken{Line: report.Lines + 1, Why: fmt.Sprintf("the end is not what the first line says, "+
			"%d lines up to number %d with hash %s", h.Count, h.Last, h.Hash)}
	}
	return report, err
}
