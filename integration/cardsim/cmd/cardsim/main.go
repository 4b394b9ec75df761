// Command cardsim plugs one simulated card into a slot of vpcd until it is interrupted, then prints how many commands
// and resets the card has seen.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"tlagate/integration/cardsim"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cardsim:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("cardsim", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:35963", "vpcd slot to plug into")
	kind := flags.String("kind", "vitale", "vitale, cps (a PIV card) or cps3 (an IAS-ECC card)")
	serial := flags.String("serial", "", "makes the card different from others; up to 10 digits")
	pace := flags.Duration("pace", 0, "time for each byte, 1.25ms for a card at 9600 baud")
	if err := flags.Parse(args); err != nil {
		return err
	}
	card, err := newCard(*kind, *serial)
	if err != nil {
		return err
	}
	return plug(*addr, card, *pace)
}

type counted interface {
	cardsim.Card
	Counts() cardsim.Counts
}

func newCard(kind, serial string) (counted, error) {
	switch kind {
	case "vitale":
		return cardsim.NewVitale(cardsim.VitaleConfig{Serial: serial}), nil
	case "cps":
		return cardsim.NewCPS(cardsim.CPSConfig{Serial: serial})
	case "cps3":
		return cardsim.NewCPS3(cardsim.CPSConfig{Serial: serial})
	}
	return nil, fmt.Errorf("cannot make a card of kind %q: give vitale, cps or cps3", kind)
}

func plug(addr string, card counted, pace time.Duration) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := cardsim.Plug(ctx, addr, cardsim.Slow(card, pace))
	fmt.Printf("%+v\n", card.Counts())
	return err
}
