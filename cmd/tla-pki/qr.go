package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"rsc.io/qr"

	"tlagate/ca"
	"tlagate/cmd/internal/cli"
	"tlagate/internal/address"
)

// checkPlace wants a place that may stand in a URI as it is; "" is nowhere, which is fine.
func checkPlace(place string) error {
	if place == "" {
		return nil
	}
	_, err := address.Reach(place)
	if err == nil && strings.Contains(place, "%") { // a zone is of one machine alone
		err = errors.New("its address has a zone")
	}
	if err != nil {
		return cli.Usage("cannot use %q: %w", place, err)
	}
	return nil
}

// draw shows a text as a QR code, on the terminal and in a file as is wanted.
func (h handing) draw(w io.Writer, text string) error {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return fmt.Errorf("cannot make the QR code: %w", err)
	}
	if h.QR {
		fmt.Fprint(w, "\n", blocks(code))
	}
	if h.QROut == "" {
		return nil
	}
	return ca.WriteNew(h.QROut, code.PNG(), 0o600)
}

const quiet = 4 // modules of margin around a QR code

// blocks draws two rows of modules a line; what is light is drawn, for terminals that are dark.
func blocks(code *qr.Code) string {
	var out strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		for x := -quiet; x < code.Size+quiet; x++ {
			out.WriteString(halves[code.Black(x, y)][code.Black(x, y+1)])
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// halves is by upper and lower module; true is dark.
var halves = map[bool]map[bool]string{false: {false: "█", true: "▀"}, true: {false: "▄", true: " "}}
