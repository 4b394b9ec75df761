package startkey

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
)

// event is the kernel's struct input_event (linux/input.h) without its time.
type event struct {
	typ, code uint16
	value     int32
}

// Types, codes and values of events (linux/input-event-codes.h).
const (
	evSyn      = 0
	evKey      = 1
	synDropped = 3 // the kernel lost events: what is known of keys is no longer true
	released   = 0
	pressed    = 1 // 2 is autorepeat, which is not an act of the user
)

// word is the size of the kernel's long, in octets: an event's time is two of them.
const word = strconv.IntSize / 8

// size returns the size of an event in octets: two longs, two 16-bit numbers, one of 32 bits.
func size(word int) int { return 2*word + 8 }

func parse(b []byte, word int) (event, error) {
	if len(b) != size(word) {
		return event{}, fmt.Errorf("cannot read an input event of %d octets: want %d", len(b), size(word))
	}
	b = b[2*word:]
	order := binary.NativeEndian
	return event{order.Uint16(b), order.Uint16(b[2:]), int32(order.Uint32(b[4:]))}, nil
}

// stream calls see with each event until there are no more; its error is never nil.
func stream(r io.Reader, word int, see func(event)) error {
	in := bufio.NewReaderSize(r, 64*size(word))
	b := make([]byte, size(word))
	for {
		if _, err := io.ReadFull(in, b); err != nil {
			return err
		}
		e, err := parse(b, word)
		if err != nil {
			return err
		}
		see(e)
	}
}
