package session_test

import (
	"context"
	"fmt"
	"net"
	"sync"

	"tlagate/session"
)

// okCard is a card that answers every command with 9000.
type okCard struct{}

func (okCard) Transmit([]byte) ([]byte, error)         { return []byte{0x90, 0x00}, nil }
func (okCard) Reset(session.ResetKind) ([]byte, error) { return []byte{0x3B, 0x00}, nil }

// A program at the PdT uses a card in a TLA. In real use the connection is the inner TLS connection.
func Example() {
	atTLA, atPdT := net.Pipe()
	id := session.NewID()
	var tla sync.WaitGroup
	tla.Go(func() { serveCard(atTLA, id) })
	defer tla.Wait()

	inserted := make(chan session.Inserted, 1)
	w, err := session.OpenWorkstation(atPdT, session.WorkstationConfig{Session: id.String(),
		Inserted: func(_ session.Slot, in session.Inserted) { inserted <- in },
		Removed:  func(session.Slot) {},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error, 1)
	go func() { ended <- w.Run(context.Background()) }()

	card := <-inserted
	selectMF := []byte{0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00}
	response, err := w.Transmit(context.Background(), session.SlotVitale, card.Epoch, selectMF)
	fmt.Printf("card %X answers %X, error %v\n", card.ATR, response, err)

	// A reset opens a new epoch: a command of the old one is not executed any more.
	epoch, _, err := w.Reset(context.Background(), session.SlotVitale, card.Epoch, session.ResetCold)
	fmt.Println("epoch", card.Epoch, "before the reset,", epoch, "after it, error", err)
	_, err = w.Transmit(context.Background(), session.SlotVitale, card.Epoch, selectMF)
	fmt.Println("not executed:", err)

	w.Leave(session.ByeStopped, "That was all.")
	fmt.Println(<-ended)
	// Output:
	// card 3B00 answers 9000, error <nil>
	// epoch 1 before the reset, 2 after it, error <nil>
	// not executed: command was for a card that is no longer there
	// stopped: That was all.
}

// serveCard is the TLA's end.
func serveCard(conn net.Conn, id session.ID) {
	t, err := session.OpenTerminal(conn, session.TerminalConfig{ID: id})
	if err != nil {
		fmt.Println(err)
		return
	}
	var card sync.WaitGroup
	card.Go(func() {
		<-t.Up()
		if err := t.Insert(session.SlotVitale, []byte{0x3B, 0x00}, session.T0, okCard{}); err != nil {
			fmt.Println(err)
		}
	})
	_ = t.Run(context.Background()) // the PdT's bye
	card.Wait()
}
