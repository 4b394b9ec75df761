// Package local is how programs of one machine ask a daemon: in lines of JSON over a Unix socket, to whose file others
// than its user and group can at no moment connect, unless the daemon asks who they are (ListenOpen, PeerOf).
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

// WriteLine writes v as JSON, on one line; within is how long the other end has to accept it.
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
