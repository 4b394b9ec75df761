package tla

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"tlagate/session"
	"tlagate/tla/cards"
	"tlagate/tla/pin"
)

// Status words of a VERIFY that did not reach a card (ISO 7816-4; PC/SC part 10).
var (
	swPINTimeout   = [2]byte{0x64, 0x00}
	swPINCancelled = [2]byte{0x64, 0x01}
	swPINBlocked   = [2]byte{0x69, 0x83} // of the card itself
)

// answer returns a copy of sw: the session wipes what it gets.
func answer(sw [2]byte) []byte { return sw[:] }

// pinVerifier asks the user for PINs on behalf of one card.
type pinVerifier struct {
	card    *cards.Lease
	desk    *desk
	slot    session.Slot
	pdt     string
	purpose PINPurpose
	again   bool          // as in PINRequest
	time    time.Duration // that the user has
	used    func()        // called when the user did something
	within  context.Context
}

// verify asks the user for a PIN and has the card verify it (SP4): at the reader's own pad if it has one, else at the
// desk.
func (v *pinVerifier) verify(header [4]byte, f pin.Format) ([]byte, error) {
	tries, sw, err := v.probe(header)
	if err != nil || sw != nil {
		return sw, err
	}
	ctx, cancel := v.asking()
	defer cancel()
	until, _ := ctx.Deadline()
	request := PINRequest{Number: v.desk.number(), For: v.purpose, Again: v.again, Slot: v.slot.String(),
		PdT: v.pdt, Min: f.Min, Max: f.Max, Tries: tries, Until: until}
	code, err := v.card.Pad()
	if err != nil {
		return nil, err
	}
	if code != 0 && tries != 1 { // a pad cannot ask whether the user insists
		request.Pad = true
		return v.atPad(request, code, header, f)
	}
	return v.atDesk(ctx, request, header, f)
}

// asking returns a context that ends when the user's time is over, with what it is for, or with the lease of the card.
func (v *pinVerifier) asking() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(v.within, v.time)
	go func() {
		select {
		case <-ctx.Done():
		case <-v.card.Over():
		}
		cancel()
	}()
	return ctx, cancel
}

// probe asks the card how many tries are left; -1 = it does not say. Unless sw is nil, it is the final answer: the PIN
// is blocked.
func (v *pinVerifier) probe(header [4]byte) (tries int, sw []byte, err error) {
	probed, err := v.card.Transmit(header[:])
	if err != nil {
		return 0, nil, err
	}
	switch sw1, sw2 := probed[0], probed[1]; {
	case len(probed) != 2:
		return -1, nil, nil
	case sw1 == 0x69 && sw2 == 0x83, sw1 == 0x63 && sw2 == 0xC0:
		return 0, answer(swPINBlocked), nil
	case sw1 == 0x63 && sw2&0xF0 == 0xC0:
		return int(sw2 & 0x0F), nil, nil
	}
	return -1, nil, nil
}

// atPad has the reader ask; its answer shows whether somebody pressed its keys.
func (v *pinVerifier) atPad(request PINRequest, code uint32, header [4]byte, f pin.Format) ([]byte, error) {
	defer v.desk.show(request)()
	sw, err := v.card.VerifyOnPad(code, header, f)
	if entered(sw, err) {
		v.used()
	}
	return sw, err
}

// entered reports whether the user entered a PIN, or cancelled by a key.
func entered(sw []byte, err error) bool {
	return err == nil && (sw[0] == 0x90 || sw[0] == 0x63 || bytes.Equal(sw, swPINCancelled[:]))
}

func (v *pinVerifier) atDesk(ctx context.Context, request PINRequest, header [4]byte, f pin.Format) ([]byte, error) {
	command, err := pin.New(header, f)
	if err != nil {
		return nil, err
	}
	q, err := v.desk.ask(ctx, request, command)
	if err == nil {
		v.used()
		sw, err := v.card.Verify(command)
		q.result <- slices.Clone(sw) // the session wipes its own
		return sw, err
	}
	command.Wipe()
	if errors.Is(err, errPINCancelled) {
		v.used()
		return answer(swPINCancelled), nil
	}
	if q != nil {
		q.result <- nil
	}
	return answer(swPINTimeout), nil
}
