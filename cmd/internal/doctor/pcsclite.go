package doctor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// The protocol of pcscd's socket (pcsc-lite 1.9 to 2.3, winscard_msg.h), as far as it takes to list readers: native
// byte order.
const (
	cmdEstablish = 0x01
	cmdVersion   = 0x11
	cmdReaders   = 0x12

	maxReaders = 16 // PCSCLITE_MAX_READERS_CONTEXTS
	readerName = 128
	readerSize = 184 // of a READER_STATE, with its padding

	securityViolation = 0x8010006A
	askTime           = 5 * time.Second
)

// Why pcscd tells us nothing.
var (
	errRefused = errors.New("pcscd refuses") // to serve this user
	errVersion = errors.New("pcscd speaks a version of its protocol that is not known here")
)

const usualSocket = "/run/pcscd/pcscd.comm"

// Socket returns where pcscd listens.
func Socket(getenv func(string) string) string {
	if s := getenv("PCSCLITE_CSOCK_NAME"); s != "" {
		return s
	}
	return usualSocket
}

// readers asks pcscd for the names of its readers. No card is touched.
func readers(socket string) ([]string, error) {
	c, err := net.DialTimeout("unix", socket, askTime)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(askTime))
	if err := greet(c); err != nil {
		return nil, closed(err)
	}
	established, err := ask(c, cmdEstablish, []uint32{2, 0, 0}, 12) // SCARD_SCOPE_SYSTEM
	if err != nil {
		return nil, closed(err)
	}
	switch rv := binary.NativeEndian.Uint32(established[8:]); rv {
	case 0:
	case securityViolation:
		return nil, errRefused
	default:
		return nil, fmt.Errorf("pcscd opens no context (%#x)", rv)
	}
	states, err := ask(c, cmdReaders, nil, maxReaders*readerSize)
	if err != nil {
		return nil, err
	}
	return names(states), nil
}

// greet agrees on a version: pcscd accepts only its own, and answers which that is. 4.5 (of 2.3) does not differ from
// 4.4 in anything that is used here.
func greet(c net.Conn) error {
	answer := make([]byte, 12)
	for _, minor := range []uint32{4, 5} {
		var err error
		if answer, err = ask(c, cmdVersion, []uint32{4, minor, 0}, len(answer)); err != nil {
			return err
		}
		if binary.NativeEndian.Uint32(answer[8:]) == 0 {
			return nil
		}
	}
	return fmt.Errorf("%w: %d.%d", errVersion, binary.NativeEndian.Uint32(answer),
		binary.NativeEndian.Uint32(answer[4:]))
}

// closed returns errRefused for a closed connection: a pcscd that polkit tells to refuse closes it, maybe before it has
// read what it was sent.
func closed(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return errRefused
	}
	return err
}

func ask(c net.Conn, command uint32, body []uint32, size int) ([]byte, error) {
	var request bytes.Buffer
	for _, v := range append([]uint32{uint32(4 * len(body)), command}, body...) {
		_ = binary.Write(&request, binary.NativeEndian, v) // a Buffer takes everything
	}
	if _, err := c.Write(request.Bytes()); err != nil {
		return nil, err
	}
	answer := make([]byte, size)
	_, err := io.ReadFull(c, answer)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("it does not answer within %v", askTime)
	}
	return answer, err
}

func names(states []byte) (all []string) {
	for ; len(states) >= readerSize; states = states[readerSize:] {
		name, _, _ := bytes.Cut(states[:readerName], []byte{0})
		if len(name) > 0 {
			all = append(all, string(name))
		}
	}
	return all
}
