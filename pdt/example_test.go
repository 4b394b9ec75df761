package pdt_test

import (
	"context"
	"fmt"

	"tlagate/pdt"
	"tlagate/session"
)

// program is a Go program that reads cards by itself, without the virtual reader driver.
type program struct{}

func (program) Show(ctx context.Context, card *pdt.Card) {
	card.Seen()
	response, err := card.Transmit(ctx, []byte{0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00})
	if err == nil {
		fmt.Printf("the %s card answers with %d octets\n", card.Slot(), len(response))
	}
	<-ctx.Done()
}

func ExampleReader() {
	cfg := pdt.Config{ // Gateways, Client and Server as well
		Readers: [session.Slots]pdt.Reader{session.SlotVitale: program{}},
	}
	if _, err := pdt.New(cfg); err != nil {
		fmt.Println(err)
	}
	// Output: cannot start without a gateway: name at least one
}
