package cardsim

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/world"
)

// driver plays vpcd: it listens, and writes length and payload separately.
type driver struct {
	t    *testing.T
	l    net.Listener
	conn net.Conn
}

func newDriver(t *testing.T) *driver {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return &driver{t: t, l: l}
}

func (d *driver) addr() string { return d.l.Addr().String() }

func (d *driver) accept() {
	d.t.Helper()
	conn, err := d.l.Accept()
	require.NoError(d.t, err)
	require.NoError(d.t, conn.SetDeadline(time.Now().Add(world.Patience)))
	d.t.Cleanup(func() { _ = conn.Close() })
	d.conn = conn
}

func (d *driver) send(payload ...byte) {
	d.t.Helper()
	_, err := d.conn.Write(binary.BigEndian.AppendUint16(nil, uint16(len(payload))))
	require.NoError(d.t, err)
	_, err = d.conn.Write(payload)
	require.NoError(d.t, err)
}

func (d *driver) receive() string {
	d.t.Helper()
	var size [2]byte
	_, err := io.ReadFull(d.conn, size[:])
	require.NoError(d.t, err)
	payload := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err = io.ReadFull(d.conn, payload)
	require.NoError(d.t, err)
	return fmt.Sprintf("%X", payload)
}

func TestPlugSpeaksVPCD(t *testing.T) {
	d, v := newDriver(t), NewVitale(VitaleConfig{})
	s := NewSlot(d.addr())
	require.NoError(t, s.Insert(v))
	d.accept()
	d.send(ctrlPowerOn)
	d.send(ctrlATR)
	require.Equal(t, vitaleATR, d.receive())
	d.send(unhex("00B0820008")...)
	require.Equal(t, "53504543494D454E9000", d.receive())
	d.send(ctrlReset)
	d.send(ctrlATR)
	require.Equal(t, vitaleATR, d.receive())
	d.send(ctrlPowerOff)
	require.ErrorIs(t, s.Insert(v), ErrOccupied)
	go func() { _, _ = io.Copy(io.Discard, d.conn); _ = d.conn.Close() }()
	s.Remove()
	s.Remove()
	require.Equal(t, Counts{Commands: 1, PowerOns: 1, Resets: 1, PowerOffs: 2}, v.Counts(),
		"removal takes the power away")
}

// blocking is a card that is slow enough to be pulled out in the middle of a command.
type blocking struct {
	Card
	begun, goOn chan struct{}
}

func (b blocking) Process(cmd []byte) []byte {
	close(b.begun)
	<-b.goOn
	return b.Card.Process(cmd)
}

func TestRemovalAnswersWhatIsUnderWayThenCloses(t *testing.T) {
	d := newDriver(t)
	card := blocking{NewVitale(VitaleConfig{}), make(chan struct{}), make(chan struct{})}
	s := NewSlot(d.addr())
	require.NoError(t, s.Insert(card))
	d.accept()
	d.send(unhex("00B0820008")...)
	<-card.begun
	removed := make(chan struct{})
	go func() { defer close(removed); s.Remove() }()
	close(card.goOn)
	require.Equal(t, "53504543494D454E9000", d.receive())
	_, err := d.conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "a clean end, no reset")
	require.NoError(t, d.conn.Close())
	<-removed
}

func TestPulledCardAnswers6F00(t *testing.T) {
	p := plugged{card: NewVitale(VitaleConfig{})}
	p.pulled.Store(true)
	require.Equal(t, status(swCardMuted), p.act(unhex("00B0820008")))
	require.Zero(t, p.card.(*Vitale).Counts().Commands, "it does not execute it")
}

func TestSlotTellsThatTheDriverHasGone(t *testing.T) {
	d := newDriver(t)
	s := NewSlot(d.addr())
	require.NoError(t, s.Insert(NewVitale(VitaleConfig{})))
	d.accept()
	require.NoError(t, d.conn.Close())
	select {
	case <-s.Gone():
	case <-time.After(world.Patience):
		t.Fatal("the slot still believes in its driver")
	}
	s.Remove()
}

func TestInsertWithoutDriver(t *testing.T) {
	require.ErrorContains(t, NewSlot("127.0.0.1:1").Insert(NewVitale(VitaleConfig{})), "127.0.0.1:1")
}
