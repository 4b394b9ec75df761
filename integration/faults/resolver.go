package faults

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
)

// Resolver is a DNS server that answers one name with one IPv4 address, or with a failure, or not at all. A program
// that sees Conf in place of ResolvConf asks it and no other server.
type Resolver struct {
	Conf string // path of a file

	name string
	conn net.PacketConn
	done chan struct{}

	mu       sync.Mutex // protects the rest
	addr     netip.Addr // invalid: the server fails
	silent   bool
	failures int
}

// ResolvConf is the file that names the DNS servers that programs ask.
const ResolvConf = "/etc/resolv.conf"

// NewResolver starts a server that answers name, which has no dot at its end, with addr, and writes the file conf. It
// works in a world only.
func NewResolver(name string, addr netip.Addr, conf string) (*Resolver, error) {
	conn, err := listen53()
	if err != nil {
		return nil, fmt.Errorf("cannot be a resolver: %w", err)
	}
	host, _, _ := net.SplitHostPort(conn.LocalAddr().String())
	if err := os.WriteFile(conf, []byte("nameserver "+host+"\noptions timeout:1 attempts:1\n"), 0o644); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	r := &Resolver{Conf: conf, name: name, conn: conn, addr: addr, done: make(chan struct{})}
	go r.serve()
	return r, nil
}

// listen53 listens on the port of DNS, which ResolvConf cannot change, at an address of the loopback interface that no
// other resolver has.
func listen53() (conn net.PacketConn, err error) {
	for i := 1; i < 255; i++ {
		conn, err = net.ListenPacket("udp4", fmt.Sprintf("127.0.53.%d:53", i))
		if !errors.Is(err, syscall.EADDRINUSE) {
			return conn, err
		}
	}
	return nil, err
}

// Answer answers with another address from now on; the zero Addr makes the server fail (SERVFAIL).
func (r *Resolver) Answer(addr netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addr, r.silent = addr, false
}

// Silence makes the server answer nothing from now on.
func (r *Resolver) Silence() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent = true
}

// Failures returns how many questions for the name were not answered with an address.
func (r *Resolver) Failures() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures
}

// Close stops the server.
func (r *Resolver) Close() error {
	err := r.conn.Close()
	<-r.done
	return err
}

func (r *Resolver) serve() {
	defer close(r.done)
	buf := make([]byte, 1500)
	for {
		n, from, err := r.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if reply := r.reply(buf[:n]); reply != nil {
			_, _ = r.conn.WriteTo(reply, from)
		}
	}
}

// From RFC 1035: the length of a DNS header, flags and codes, and types of record.
const (
	dnsHeader   = 12
	dnsResponse = 0x8180 // an answer, recursion available
	dnsServFail = 2
	dnsNXDomain = 3
	dnsTypeA    = 1
)

// reply returns the answer to a query; nil = silence.
func (r *Resolver) reply(query []byte) []byte {
	name, kind, end := question(query)
	if end == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ours := name == r.name
	if ours && (r.silent || !r.addr.IsValid()) {
		r.failures++
	}
	switch {
	case r.silent:
		return nil
	case !ours:
		return head(query[:end], dnsNXDomain, 0)
	case !r.addr.IsValid():
		return head(query[:end], dnsServFail, 0)
	case kind != dnsTypeA:
		return head(query[:end], 0, 0)
	}
	answer := []byte{0xC0, dnsHeader, 0, dnsTypeA, 0, 1, 0, 0, 0, 0, 0, 4} // the name asked for, A, IN, TTL 0
	return append(append(head(query[:end], 0, 1), answer...), r.addr.AsSlice()...)
}

// question returns the name and type of the first question, and where it ends; end 0: there is none.
func question(query []byte) (name string, kind uint16, end int) {
	at := dnsHeader
	for at < len(query) && query[at] != 0 {
		next := at + 1 + int(query[at])
		if next > len(query) {
			return "", 0, 0
		}
		name += string(query[at+1:next]) + "."
		at = next
	}
	if at+5 > len(query) {
		return "", 0, 0
	}
	return name[:max(len(name)-1, 0)], binary.BigEndian.Uint16(query[at+1:]), at + 5
}

// head returns the header and the question of a reply.
func head(question []byte, code, answers uint16) []byte {
	reply := append([]byte(nil), question...)
	be := binary.BigEndian
	be.PutUint16(reply[2:], dnsResponse|code)
	be.PutUint16(reply[4:], 1)
	be.PutUint16(reply[6:], answers)
	be.PutUint32(reply[8:], 0)
	return reply
}
