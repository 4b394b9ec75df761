package heads

import (
	"bufio"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"time"

	"tlagate/audit"
	"tlagate/internal/stamp"
)

// Known are the heads of one gateway that a PKI keeps, lowest number first. The zero Known has none.
type Known struct {
	Gateway string
	Signers []*big.Int // serial numbers of the certificates with whose keys they are signed
	Newest  time.Time  // when the PKI last heard of any

	list  []point
	last  []byte // DER of the certificate that signed the last one
	check Check
}

// Check returns an error unless a gateway's certificate was to be believed at that time.
type Check func(cert *x509.Certificate, at time.Time) error

// point is one head.
type point struct {
	number   uint64
	hash     string
	received time.Time // last; lines with a higher number came later
}

// Read reads lines of kept heads, as `tla-pki heads` prints them, and verifies each signature under the certificate
// beside it, which must pass check; nil = the PKI is believed.
func Read(r io.Reader, check Check) (known Known, err error) {
	known.check = check
	_, err = known.add(r)
	return known, err
}

// add adds the lines of r, and returns how many.
func (k *Known) add(r io.Reader) (n int, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 4096), maxLine)
	for lines.Scan() {
		n++
		head, by, err := parse(lines.Bytes())
		if err == nil {
			err = k.one(head, by)
		}
		if err != nil {
			return n, fmt.Errorf("head %d: %w", len(k.list)+1, err)
		}
	}
	return n, lines.Err()
}

func (k *Known) one(head Kept, by *x509.Certificate) error {
	if k.Gateway != "" && k.Gateway != head.Gateway {
		return fmt.Errorf("it is of %s, the one before of %s", head.Gateway, k.Gateway)
	}
	if len(k.list) > 0 && head.Number <= k.list[len(k.list)-1].number {
		return errors.New("it is out of order")
	}
	if k.check != nil {
		if err := k.check(by, head.Received); err != nil {
			return fmt.Errorf("whoever signed it: %w", err)
		}
	}
	k.Gateway = head.Gateway
	k.list = append(k.list, point{head.Number, head.Hash, head.Received})
	if head.Received.After(k.Newest) {
		k.Newest = head.Received
	}
	if string(k.last) != string(by.Raw) {
		k.last, k.Signers = by.Raw, append(k.Signers, by.SerialNumber)
	}
	return nil
}

// Len returns how many there are.
func (k Known) Len() int { return len(k.list) }

// Comparison is what comparing a trace with its heads has shown.
type Comparison struct {
	Same   int    // lines that are those that the PKI knows
	Before int    // heads of lines before the first one, which were purged
	Last   uint64 // number of the last line that is the same
}

// Compare compares a trace, whose chain was verified, with what a PKI knows of it. An error says that the trace was
// rewritten or cut off, or that nothing could be compared. The heads must have been read before: a running gateway
// sends more.
func Compare(file string, known Known) (c Comparison, err error) {
	list, first, last := known.list, true, uint64(0)
	var purges []audit.Entry
	for line, err := range audit.Read(file) {
		if err == nil {
			err = line.Err
		}
		if err != nil {
			return c, err
		}
		number := line.Entry.Seq
		if line.Entry.Event == audit.AuditPurged {
			purges = append(purges, line.Entry)
		}
		for ; first && len(list) > 0 && list[0].number < number; list = list[1:] {
			c.Before++
		}
		first, last = false, number
		if len(list) == 0 || number < list[0].number {
			continue
		}
		if number > list[0].number {
			return c, fmt.Errorf("cannot vouch for the audit trace: line %d, which the PKI knows, is missing",
				list[0].number)
		}
		if line.Hash() != list[0].hash {
			return c, fmt.Errorf("cannot vouch for the audit trace: line %d is not the one that the PKI knows: the "+
				"trace was rewritten after line %d", number, c.Last)
		}
		c.Same, c.Last, list = c.Same+1, number, list[1:]
	}
	if err := c.conclude(known, list, last); err != nil {
		return c, err
	}
	return c, known.contradict(purges)
}

// skew is how far the clocks of a gateway and of the PKI may be apart.
const skew = time.Hour

// contradict returns an error if a line that is purged was written after the time that its purge says: the PKI had a
// lower number then. So nobody who has the gateway's key hides what happened lately by purging it.
func (k Known) contradict(purges []audit.Entry) error {
	for _, purge := range purges {
		number, _ := strconv.ParseUint(purge.With["number"], 10, 64) // verified with the chain
		until, _ := time.Parse(time.RFC3339, purge.With["until"])
		for _, p := range k.list {
			if p.number < number && p.received.After(until.Add(skew)) {
				return fmt.Errorf("cannot vouch for the audit trace: line %d says that line %d, which it removes, "+
					"is of %s; but at %s the PKI knew no line after %d", purge.Seq, number, purge.With["until"],
					stamp.Instant(p.received), p.number)
			}
		}
	}
	return nil
}

// conclude says what is wrong with the end; rest are the heads that were not reached.
func (c Comparison) conclude(known Known, rest []point, last uint64) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("cannot vouch for the audit trace: it was cut off, or begun anew: it ends with line %d, and "+
			"the PKI knows line %d", last, known.list[len(known.list)-1].number)
	case known.Len() == 0:
		return errors.New("cannot vouch for the audit trace: the PKI keeps no head of it")
	case c.Same == 0:
		return errors.New("cannot vouch for the audit trace: the PKI keeps heads of purged lines only")
	}
	return nil
}
