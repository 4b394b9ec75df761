// Package local is how programs of one machine ask a daemon: over a Unix socket whose file has no moment in which others
// than its user and group may connect, in lines of JSON.
package local

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// ReadLine reads one line of at most limit octets; the newline is left out.
func ReadLine(r io.Reader, limit int) ([]byte, error) {
	b, err := bufio.NewReader(io.LimitReader(r, int64(limit)+1)).ReadBytes('\n')
	switch {
	case err == nil:
		return b[:len(b)-1], nil
	case len(b) > limit:
		return nil, fmt.Errorf("line longer than %d octets", limit)
	case errors.Is(err, io.EOF):
		return nil, io.ErrUnexpectedEOF
	}
	return nil, err
}

// WriteLine writes v as JSON, on one line; the other end has so much time to take it.
func WriteLine(c net.Conn, v any, within time.Duration) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := c.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	_, err = c.Write(append(b, '\n'))
	return err
}
