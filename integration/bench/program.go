package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ebfe/scard"

	"tlagate/integration/cardsim"
	"tlagate/integration/world"
)

// programArg makes this binary an ordinary PC/SC program, in a process of its own that PCSCLITE_CSOCK_NAME points at a
// pcscd. It reads orders from its standard input, one per line, and times what it does itself.
const programArg = "pcsc-program"

type order struct {
	Do      string
	Readers []string // visit and open use the first one alone
	N       int      // for read: how many exchanges
}

// The orders of a program.
const (
	doOpen  = "open"  // connect and select the file
	doRead  = "read"  // N times READ BINARY of one block; returns N times
	doClose = "close" // disconnect
	doVisit = "visit" // all of a visit; returns two times: with the card alone, and from the program's start
	doSame  = "same"  // READ BINARY of one block again and again; returns the median of the times
	doFiles = "files" // all of a visit that reads two blocks of each of many files; returns one time
	doBoth  = "both"  // all of a visit that uses both Readers in turn; returns one time
	doSee   = "see"   // wait until all Readers have a card
	doMiss  = "miss"  // wait until none of Readers has a card
)

type answer struct {
	Times []time.Duration
	Data  []byte
	Error string
}

// selectApplication selects the application by its name, and asks for no answer but the status.
var selectApplication = func() []byte {
	aid, _ := hex.DecodeString(cardsim.AIDVitale)
	return append([]byte{0x00, 0xA4, 0x04, 0x0C, byte(len(aid))}, aid...)
}()

const (
	blocks    = 40
	blockSize = 32
)

// serveProgram executes orders until its standard input ends.
func serveProgram(in io.Reader, out io.Writer) {
	var p program
	orders, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var o order
		if orders.Decode(&o) != nil {
			return
		}
		a, err := p.obey(o)
		if err != nil {
			a.Error = fmt.Sprintf("cannot %s: %v", o.Do, err)
		}
		if answers.Encode(a) != nil {
			return
		}
	}
}

// program is the state of the PC/SC program: at most one open connection.
type program struct {
	ctx  *scard.Context
	card *scard.Card
}

func (p *program) obey(o order) (answer, error) {
	switch o.Do {
	case doOpen:
		return answer{}, p.open(o.Readers[0])
	case doRead:
		return p.readMany(o.N)
	case doClose:
		return answer{}, p.close()
	case doVisit:
		return p.visit(o.Readers[0])
	case doSame:
		return p.readSame(o.Readers[0])
	case doFiles:
		return timedVisit(func() error { return p.readFiles(o.Readers[0]) })
	case doBoth:
		return timedVisit(func() error { return useBoth(o.Readers) })
	case doSee:
		return answer{}, watch(o.Readers, scard.StatePresent, world.Patience)
	case doMiss:
		return answer{}, watch(o.Readers, scard.StateEmpty, world.Patience)
	}
	return answer{}, errors.New("no such order")
}

func (p *program) open(reader string) (err error) {
	if p.ctx, err = scard.EstablishContext(); err != nil {
		return err
	}
	if err := p.connect(reader); err != nil {
		return err
	}
	_, err = p.block(0) // selects the file
	return err
}

func (p *program) close() error {
	return errors.Join(p.card.Disconnect(scard.LeaveCard), p.ctx.Release())
}

// visit does what a billing program does with a card, from its start to its end.
func (p *program) visit(reader string) (a answer, err error) {
	begun := time.Now()
	if err := p.findReader(reader); err != nil {
		return a, err
	}
	ready := time.Now()
	if a.Data, err = p.readCard(reader); err != nil {
		return a, err
	}
	if err := p.card.Disconnect(scard.LeaveCard); err != nil {
		return a, err
	}
	a.Times = append(a.Times, time.Since(ready))
	err = p.ctx.Release()
	a.Times = append(a.Times, time.Since(begun))
	return a, err
}

// findReader looks for a reader, as every program does before it connects.
func (p *program) findReader(reader string) (err error) {
	if p.ctx, err = scard.EstablishContext(); err != nil {
		return err
	}
	readers, err := p.ctx.ListReaders()
	if err == nil && !slices.Contains(readers, reader) {
		err = fmt.Errorf("no reader %q", reader)
	}
	return err
}

// readCard connects, selects the application and reads the blocks of its file.
func (p *program) readCard(reader string) ([]byte, error) {
	if err := p.connect(reader); err != nil {
		return nil, err
	}
	var data []byte
	for i := range blocks {
		b, err := p.block(i)
		if err != nil {
			return nil, err
		}
		data = append(data, b...)
	}
	return data, nil
}

func (p *program) connect(reader string) (err error) {
	if p.card, err = p.ctx.Connect(reader, scard.ShareShared, scard.ProtocolAny); err != nil {
		return err
	}
	_, err = p.exchange(selectApplication)
	return err
}

func (p *program) readMany(n int) (a answer, err error) {
	for range n {
		begun := time.Now()
		if _, err = p.block(1); err != nil {
			return a, err
		}
		a.Times = append(a.Times, time.Since(begun))
	}
	return a, nil
}

// block reads one block; the first one selects the file by its short identifier.
func (p *program) block(i int) ([]byte, error) {
	offset := i * blockSize
	p1 := byte(offset >> 8)
	if i == 0 {
		p1 = 0x81
	}
	return p.exchange([]byte{0x00, 0xB0, p1, byte(offset), blockSize})
}

// exchange returns the response's data; any status but 9000 is an error.
func (p *program) exchange(cmd []byte) ([]byte, error) {
	resp, err := p.card.Transmit(cmd)
	if err != nil {
		return nil, err
	}
	n := len(resp) - 2
	if n < 0 || resp[n] != 0x90 || resp[n+1] != 0x00 {
		return nil, fmt.Errorf("instruction %02X was not answered 9000", cmd[1])
	}
	return resp[:n], nil
}

// watch waits until all readers are in a state, at most for limit.
func watch(readers []string, want scard.StateFlag, limit time.Duration) error {
	ctx, err := scard.EstablishContext()
	if err != nil {
		return err
	}
	defer ctx.Release()
	states := make([]scard.ReaderState, len(readers))
	for i, r := range readers {
		states[i].Reader = r
	}
	for deadline := time.Now().Add(limit); ; {
		err := ctx.GetStatusChange(states, time.Second)
		if err != nil && !errors.Is(err, scard.ErrTimeout) {
			return err
		}
		if settled(states, want) {
			return nil
		}
		if !time.Now().Before(deadline) {
			return fmt.Errorf("the readers are not as wanted after %v", limit)
		}
	}
}

// settled reports whether all readers are in a state, and makes what was seen the state to wait from.
func settled(states []scard.ReaderState, want scard.StateFlag) bool {
	all := true
	for i := range states {
		s := &states[i]
		if s.EventState != 0 {
			s.CurrentState = s.EventState &^ scard.StateChanged
		}
		all = all && s.CurrentState&want != 0
	}
	return all
}
