package link

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/session/internal/heartbeat"
	"tlagate/session/ticket"
)

// Defaults of docs/protocol.md, section 5.
const (
	DefaultHeartbeat    = 5 * time.Second
	DefaultWriteTimeout = 10 * time.Second
)

// farewell is how long a peer has to read a last notice and close, before this end closes.
const farewell = 2 * time.Second

// ErrDead ends a link whose peer was silent for three heartbeats.
var ErrDead = errors.New("link is dead: nothing heard for three heartbeats")

// Config configures a Conn, and the request for it.
type Config struct {
	Heartbeat    time.Duration  // silence before a ping; 0 = 5 s
	WriteTimeout time.Duration  // longest write of one record; 0 = 10 s
	OnNotice     func(Notice)   // called from the reader for each notice; nil = none
	OnStatus     func([]Status) // called from the reader for each status record; the pieces are gone when it returns
	Bundle       uint64         // version of our bundle, which Open and Park tell the gateway; 0 = none
	Incident     string         // which Open and Park tell the gateway: what our user is told if it refuses; "" = none

	// Who asks, which Open and Park tell the gateway (docs/protocol.md, section 1.6); zero = nothing is told.
	Client   Software
	Instance string // of this process: 16 random octets in hex

	// Consent signs the user's consent over a gateway's nonce (docs/protocol.md, section 1.3). Open needs it.
	Consent func(nonce string) (string, error)

	// Prover has the user prove who they are, for a gateway that wants it; nil = we cannot, and do not say that we can.
	Prover Prover

	opened bool // it is a TLA's link, on which tickets come
	traced bool // the gateway said that it takes trace records
}

// Conn is an upgraded outer link. One goroutine may read while others write.
//
// A gateway uses ReadRecord and WriteRecord; an end uses Read and Write, which
// carry the payloads of data records: there it is a net.Conn. Somebody must read
// at all times: the reader answers pings.
//
// SetWriteDeadline has no effect of its own: each record has WriteTimeout. A
// record that cannot be written in time ends the link.
type Conn struct {
	net.Conn // the TLS connection below
	cfg      terms

	in      recordReader // owned by the reader
	pending []byte       // owned by the reader: what Read has not yet returned of a data record
	ration  ration       // owned by the reader

	wmu sync.Mutex // held while a record is written

	alive  *heartbeat.Monitor
	heard  atomic.Int64 // time of the last record, in ns since the process began
	notice atomic.Pointer[Notice]
	ticket atomic.Pointer[string]
	echoes echoes
	cause  atomic.Pointer[error] // why this end closed it; the first one counts
	once   sync.Once
}

// terms is what a Conn needs of its Config: it lives as long as the link, of which a gateway has many.
type terms struct {
	heartbeat, writeTimeout time.Duration
	onNotice                func(Notice)
	onStatus                func([]Status)
	opened, traced          bool
}

// terms fills in the defaults.
func (c Config) terms() terms {
	return terms{cmp.Or(c.Heartbeat, DefaultHeartbeat), cmp.Or(c.WriteTimeout, DefaultWriteTimeout), c.OnNotice,
		c.OnStatus, c.opened, c.traced}
}

// New makes a Conn of an upgraded connection; r has what was read past the upgrade, nil = nothing.
func New(c net.Conn, r *bufio.Reader, cfg Config) *Conn {
	l := &Conn{Conn: c, cfg: cfg.terms(), in: recordReader{r: c}} // TLS keeps what it has decrypted
	if r != nil {
		l.in.r = r
	}
	l.heard.Store(int64(time.Since(processBegan)))
	l.alive = heartbeat.New(l.cfg.heartbeat, l.ping, func() { _ = l.CloseWith(ErrDead) })
	l.alive.Start()
	return l
}

// ReadRecord returns the next joined, data, notice or trace record; the payload is valid until the next call. It
// answers pings, and consumes pongs, status records and tickets. After Part it discards what comes until the
// connection ends.
func (l *Conn) ReadRecord() (Type, []byte, error) {
	for {
		t, payload, err := l.in.next()
		if cause := l.cause.Load(); cause != nil {
			_, _ = io.Copy(io.Discard, l.in.r)
			return 0, nil, *cause
		}
		if err != nil {
			return 0, nil, l.why(err)
		}
		l.hear()
		done, err := l.serve(t, payload)
		if err != nil {
			return 0, nil, l.why(err)
		}
		if !done {
			return t, payload, nil
		}
	}
}

func (l *Conn) hear() {
	l.alive.Heard()
	l.heard.Store(int64(time.Since(processBegan)))
}

var processBegan = time.Now()

// Heard returns when the last record came; before the first, when the link was made. Two of these times compare right
// though the clock was set in between.
func (l *Conn) Heard() time.Time {
	now := time.Now()
	return now.Add(time.Duration(l.heard.Load()) - now.Sub(processBegan))
}

// serve handles the records that ReadRecord does not return; done reports whether it was one.
func (l *Conn) serve(t Type, payload []byte) (done bool, err error) {
	// With a test's short heartbeat there are more of them.
	if t != TypeData && t != TypeTrace && !l.ration.take(time.Now(), min(rationEvery, l.cfg.heartbeat/4)) {
		return true, errRation
	}
	switch t {
	case TypePing:
		return true, l.WriteRecord(TypePong, payload)
	case TypePong:
		l.echoes.came(payload)
		return true, nil
	case TypeStatus:
		pieces, err := decodeStatus(payload)
		if err == nil && l.cfg.onStatus != nil {
			l.cfg.onStatus(pieces)
		}
		return true, err
	case TypeTicket:
		return true, l.takeTicket(payload)
	}
	return false, nil
}

func (l *Conn) takeTicket(payload []byte) error {
	if !l.cfg.opened || len(payload) == 0 || len(payload) > ticket.MaxText {
		return protocolErrorf("a ticket of %d octets that this end does not take", len(payload))
	}
	text := string(payload)
	l.ticket.Store(&text)
	return nil
}

// Ticket returns the last ticket received, for the next link of the session; "" = none. The first comes before any
// data.
func (l *Conn) Ticket() string {
	if t := l.ticket.Load(); t != nil {
		return *t
	}
	return ""
}

func (l *Conn) ping() { _ = l.WriteRecord(TypePing, make([]byte, pingLen)) }

// WriteRecord writes one record, in one call of the connection below. An error ends the link.
func (l *Conn) WriteRecord(t Type, payload []byte) error {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	if cause := l.cause.Load(); cause != nil {
		return *cause
	}
	return l.write(t, payload, l.cfg.writeTimeout)
}

// write writes one record. The caller holds l.wmu. A failed write ends the link: the TLS state is lost.
func (l *Conn) write(t Type, payload []byte, limit time.Duration) error {
	if len(payload) > MaxPayload {
		return fmt.Errorf("cannot write a record of %d octets: at most %d fit", len(payload), MaxPayload)
	}
	buf := getBuffer()
	defer buffers.Put(buf)
	err := l.SetWriteDeadline(time.Now().Add(limit))
	if err == nil {
		_, err = l.Conn.Write(appendRecord(buf[:0], t, payload))
	}
	if err != nil {
		err = l.why(err)
		_ = l.CloseWith(err)
	}
	return err
}

// WriteJoined sends a joined record (gateway → PdT).
func (l *Conn) WriteJoined(j Joined) error { return l.writeJSON(TypeJoined, j) }

// WriteTicket sends a ticket (gateway → TLA).
func (l *Conn) WriteTicket(text string) error { return l.WriteRecord(TypeTicket, []byte(text)) }

// WriteNotice sends a notice (gateway → end).
func (l *Conn) WriteNotice(n Notice) error { return l.writeJSON(TypeNotice, n) }

func (l *Conn) writeJSON(t Type, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return l.WriteRecord(t, b)
}

// WaitJoined reads until the joined record of a parked link.
func (l *Conn) WaitJoined() (*Joined, error) {
	for {
		t, payload, err := l.ReadRecord()
		if err != nil {
			return nil, err
		}
		switch t {
		case TypeJoined:
			return decodeJoined(payload)
		case TypeNotice:
			if err := l.handleNotice(payload); err != nil {
				return nil, err
			}
		default:
			return nil, protocolErrorf("record type %d before joined", t)
		}
	}
}

// Read reads octets of the card session.
func (l *Conn) Read(b []byte) (int, error) {
	for len(l.pending) == 0 {
		t, payload, err := l.ReadRecord()
		if err != nil {
			return 0, err
		}
		switch t {
		case TypeData:
			l.pending = payload
		case TypeNotice:
			if err := l.handleNotice(payload); err != nil {
				return 0, err
			}
		default:
			return 0, protocolErrorf("record type %d out of place", t)
		}
	}
	n := copy(b, l.pending)
	l.pending = l.pending[n:]
	return n, nil
}

// Write sends octets of the card session.
func (l *Conn) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		part := b[:min(len(b), MaxPayload)]
		if err := l.WriteRecord(TypeData, part); err != nil {
			return n, err
		}
		n, b = n+len(part), b[len(part):]
	}
	return n, nil
}

func (l *Conn) handleNotice(payload []byte) error {
	n, err := decodeNotice(payload)
	if err != nil {
		return err
	}
	l.notice.Store(n)
	if l.cfg.onNotice != nil {
		l.cfg.onNotice(*n)
	}
	return nil
}

// Notice returns the last notice received, or nil.
func (l *Conn) Notice() *Notice { return l.notice.Load() }

// Close ends the link.
func (l *Conn) Close() error { return l.CloseWith(net.ErrClosed) }

// CloseWith ends the link; reads and writes under way return cause.
func (l *Conn) CloseWith(cause error) error {
	l.cause.CompareAndSwap(nil, &cause)
	var err error
	l.once.Do(func() {
		l.alive.Stop()
		err = l.Conn.Close()
	})
	return err
}

// Part ends the link with a last notice (gateway → end) and does not block. Nothing is written after the notice, and
// what still comes is discarded. The reader must read on, and close the link when ReadRecord fails: closing at once,
// with input unread, would reset the connection and could destroy the notice on its way. If the peer does not close
// within 2 s, this end does.
func (l *Conn) Part(n Notice) {
	var cause error = &n
	if !l.cause.CompareAndSwap(nil, &cause) {
		return
	}
	_ = l.SetWriteDeadline(time.Now().Add(farewell)) // also of a write under way
	last := time.AfterFunc(farewell, func() { _ = l.Close() })
	go func() {
		if l.sayLast(n) != nil {
			last.Stop()
			_ = l.Close()
		}
	}()
}

// sayLast writes the last notice and, if the connection can, closes this direction.
func (l *Conn) sayLast(n Notice) error {
	payload, err := json.Marshal(n)
	if err != nil {
		return err
	}
	l.wmu.Lock()
	defer l.wmu.Unlock()
	if err := l.write(TypeNotice, payload, farewell); err != nil {
		return err
	}
	if half, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// why returns our own cause if we ended the link, else the last notice if there was one, else the connection's error.
func (l *Conn) why(err error) error {
	if err == nil {
		return nil
	}
	if cause := l.cause.Load(); cause != nil {
		return *cause
	}
	var timeout net.Error
	if n := l.notice.Load(); n != nil && !(errors.As(err, &timeout) && timeout.Timeout()) {
		return n
	}
	return err
}
