package siem

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"tlagate/audit"
	"tlagate/internal/files"
)

// cursorName returns the file that says what was delivered of a trace.
func cursorName(trace string) string { return trace + ".siem" }

// A cursor file is 20 digits, space, 64 hexadecimal digits, newline: number and hash of the line delivered last. The
// hash is zeros if that line is not there any more.
const cursorLength = 20 + 1 + 64 + 1

var noHash = strings.Repeat("0", 64)

// readCursor returns what was delivered; nothing if there is no file yet.
func readCursor(trace string) (at audit.Place, err error) {
	raw, err := files.Read(cursorName(trace), cursorLength)
	if errors.Is(err, fs.ErrNotExist) {
		return at, nil
	}
	if err != nil {
		return at, err
	}
	number, sum, _ := strings.Cut(strings.TrimSuffix(string(raw), "\n"), " ")
	at.Seq, err = strconv.ParseUint(number, 10, 64)
	if at.Hash = sum; sum == noHash {
		at.Hash = ""
	}
	if err != nil || cursor(at) != string(raw) {
		return at, fmt.Errorf("%s does not say what was delivered; remove it, and all lines are sent again",
			cursorName(trace))
	}
	return at, nil
}

func writeCursor(trace string, at audit.Place) error {
	return files.Replace(cursorName(trace), []byte(cursor(at)), 0o600)
}

func cursor(at audit.Place) string {
	sum := at.Hash
	if sum == "" {
		sum = noHash
	}
	return fmt.Sprintf("%020d %.64s\n", at.Seq, sum)
}
