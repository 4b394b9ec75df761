package ifd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"tlagate/internal/local"
	"tlagate/internal/quick"
	"tlagate/internal/ration"
	"tlagate/pdt"
	"tlagate/session"
)

// Config says where drivers find us, and who may be one.
type Config struct {
	Socket   string        // absolute path; its directory is ours alone to write to
	Peers    []uint32      // uids of pcscd; root may always be one
	Readers  int           // pairs; 0 = 1, and no more for now
	PowerOff time.Duration // how long a power-off waits for a power-on before it is sent to the card; 0 = 1 s
	Log      *slog.Logger  // nil = discard
}

// mostPairs is how many pairs of readers there may be.
const mostPairs = 1

// Of strangers, the first few are logged in full.
const (
	strangersFirst = 3
	strangersTime  = time.Hour
)

func (c Config) withDefaults() Config {
	if c.Readers == 0 {
		c.Readers = 1
	}
	if c.PowerOff == 0 {
		c.PowerOff = time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) check() error {
	if runtime.GOOS != "linux" {
		return errors.New("cannot use the reader driver: it is for Linux")
	}
	if c.Readers < 1 || c.Readers > mostPairs {
		return fmt.Errorf("cannot have %d pairs of readers: want %d", c.Readers, mostPairs)
	}
	if c.PowerOff < 0 {
		return fmt.Errorf("cannot wait %v before a power-off: want a positive time", c.PowerOff)
	}
	return checkSocket(c.Socket)
}

// Driver shows cards through the drivers that connect to it.
type Driver struct {
	cfg     Config
	readers [session.Slots]*reader
	rations *ration.Rations[string]
	working time.Duration // how often a driver is told that its request is under way

	mu       sync.Mutex // protects the rest
	foreign  uint64     // connections of accounts that may not be a driver
	stranger string     // the account of the last one
	problem  string     // what was wrong with the last connection of an account that may; "" = nothing
	rival    time.Time  // when another driver last wanted a slot that has one
}

// New returns the readers of a Poste de Travail; Run serves them.
func New(cfg Config) (*Driver, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	d := &Driver{cfg: cfg, working: workingTime}
	d.rations = ration.New(strangersFirst, strangersTime, d.moreStrangers)
	for i := range d.readers {
		d.readers[i] = newReader(d, session.Slot(i))
	}
	return d, nil
}

// Readers returns the readers of each slot.
func (d *Driver) Readers() [session.Slots]pdt.Reader {
	var readers [session.Slots]pdt.Reader
	for i, r := range d.readers {
		readers[i] = r
	}
	return readers
}

// State returns how each slot stands with its driver.
func (d *Driver) State() []pdt.DriverState {
	var states []pdt.DriverState
	for _, r := range d.readers {
		states = append(states, r.State())
	}
	return states
}

// Run makes the socket and serves drivers until ctx ends. It returns an error only if it could not begin.
func (d *Driver) Run(ctx context.Context) error {
	socket, err := d.listen()
	if err != nil {
		return err
	}
	defer d.rations.Close()
	var all sync.WaitGroup
	defer all.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(ctx, func() { _ = socket.Close() })()
	for {
		c, err := socket.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			d.cfg.Log.Error("cannot accept a connection of the reader driver", "error", err)
			time.Sleep(acceptPause)
			continue
		}
		if c := c.(*net.UnixConn); d.admits(c) {
			all.Go(func() { d.serve(ctx, c) })
		} else { // at once, so that strangers cannot use up our files
			_ = c.Close()
		}
	}
}

// acceptPause keeps a lack of files from becoming a lack of processor time.
const acceptPause = 100 * time.Millisecond

// listen makes the socket. The directory of a system that has just started is made by its unit, and need not be there
// in other installations.
func (d *Driver) listen() (*local.Socket, error) {
	dir := filepath.Dir(d.cfg.Socket)
	err := os.Mkdir(dir, 0o755)
	if err == nil {
		err = os.Chmod(dir, 0o755) // whatever the umask: pcscd may have no right to pass by that
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("cannot make the directory of the reader driver's socket: %w", err)
	}
	socket, err := local.ListenOpen(d.cfg.Socket)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on the reader driver's socket %s: %w", d.cfg.Socket, err)
	}
	return socket, nil
}

// serve talks to whoever connected until the connection ends.
func (d *Driver) serve(ctx context.Context, c *net.UnixConn) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	_ = c.SetDeadline(time.Now().Add(helloWait))
	in := &frames{r: quick.Conn(c)}
	defer in.wipe()
	h, err := d.greet(in)
	if err != nil {
		d.complain(c, err)
		return
	}
	if w := d.begin(ctx, c, in, h); w != welcomed {
		d.refuse(c, h, w)
	}
}

// greet reads the hello.
func (d *Driver) greet(in *frames) (hello, error) {
	f, err := in.next()
	if errors.Is(err, io.EOF) {
		return hello{}, fmt.Errorf("it hung up without a word: does DEVICENAME in reader.conf.d name the account that "+
			"this program runs as (uid %d)?", os.Getuid())
	}
	if err != nil {
		return hello{}, err
	}
	return parseHello(f)
}

// begin serves the connection of a hello, and returns at once if it is not welcome.
func (d *Driver) begin(ctx context.Context, c *net.UnixConn, in *frames, h hello) welcome {
	switch {
	case h.speaks != protocolVersion:
		return otherVersion
	case int(h.slot) >= len(d.readers):
		return noSlot
	case h.conn == connEvents:
		return d.readers[h.slot].serveEvents(ctx, c, in, h.version)
	}
	return d.readers[h.slot].serveRequests(c, in, h.link)
}

// refuse tells a driver why it is not welcome.
func (d *Driver) refuse(c *net.UnixConn, h hello, w welcome) {
	_, _ = c.Write(appendWelcome(nil, w, linkID{}))
	switch w {
	case otherVersion:
		d.complain(c, fmt.Errorf("it speaks version %d of the protocol, and this program version %d: install the "+
			"driver of this program's package, and restart pcscd", h.speaks, protocolVersion))
	case noSlot:
		d.complain(c, fmt.Errorf("it has an entry for slot %d, which does not exist: correct DEVICENAME in "+
			"reader.conf.d", h.slot))
	case taken:
		d.mu.Lock()
		d.rival = time.Now()
		d.mu.Unlock()
		d.complain(c, fmt.Errorf("slot %d has a driver already: is there another pcscd with the same entry?", h.slot))
	}
}

// complain remembers what is wrong with a driver, and logs it when it is new.
func (d *Driver) complain(c *net.UnixConn, err error) {
	d.mu.Lock()
	known := d.problem == err.Error()
	d.problem = err.Error()
	d.mu.Unlock()
	if !known {
		peer, _ := local.PeerOf(c)
		d.cfg.Log.Warn("cannot work with a reader driver", "pid", peer.PID, "error", err)
	}
}

// praise forgets what was wrong.
func (d *Driver) praise() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.problem, d.rival = "", time.Time{}
}

// admits reports whether who connected may be a driver. A stranger is counted and told of.
func (d *Driver) admits(c *net.UnixConn) bool {
	peer, err := local.PeerOf(c)
	if err == nil && (peer.UID == 0 || slices.Contains(d.cfg.Peers, peer.UID)) {
		return true
	}
	who := "uid " + strconv.FormatUint(uint64(peer.UID), 10)
	if err != nil {
		who = "unknown: " + err.Error()
	}
	d.mu.Lock()
	d.foreign++
	d.stranger = who
	d.mu.Unlock()
	if d.rations.Take(ration.Key{Network: who}, who) {
		d.cfg.Log.Warn("an account that may not be the reader driver tried; it got nothing",
			"account", who, "pid", peer.PID)
	}
	return false
}

func (d *Driver) moreStrangers(_ ration.Key, who string, more int) {
	d.cfg.Log.Warn("an account that may not be the reader driver tried again; it got nothing",
		"account", who, "times", more)
}

// describe adds to a slot's state what is the same for all.
func (d *Driver) describe(s *pdt.DriverState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s.Address, s.Foreign, s.Stranger = d.cfg.Socket, d.foreign, d.stranger
	if !s.Connected || time.Since(d.rival) < rivalTime {
		s.Error = d.problem
	}
}

// rivalTime is how long another driver is told of, which comes again every second.
const rivalTime = 5 * time.Second
