package heads

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Path is where heads are sent and read, on the listener of the stream of revocations.
const Path = "/v1/heads"

// ContentType is that of kept heads: one JSON object per line.
const ContentType = "application/x-ndjson"

// Page is how many heads are given at once, at most.
const Page = 500

// Life is how long the PKI keeps a head after it was last said: 13 months.
const Life = 396 * 24 * time.Hour

// Late is how long a gateway may be without a head that was taken. They are sent every hour.
const Late = 2 * time.Hour

// Kept is a head as the PKI keeps it, and one line of what it gives back.
type Kept struct {
	Gateway     string    `json:"gateway"`
	Number      uint64    `json:"number"`
	Hash        string    `json:"hash"`
	Received    time.Time `json:"received"` // when it was last said, by the PKI's clock
	Head        string    `json:"head"`     // as it came
	Certificate []byte    `json:"certificate"`
}

// MaxCertificate bounds the certificate of a kept head, DER.
const MaxCertificate = 8 << 10

// maxLine bounds a line of kept heads, in octets.
const maxLine = 16 << 10

// parse reads a line, and verifies again that its gateway signed it; by is the certificate.
func parse(line []byte) (k Kept, by *x509.Certificate, err error) {
	in := json.NewDecoder(bytes.NewReader(line))
	in.DisallowUnknownFields()
	if err := in.Decode(&k); err != nil || in.More() {
		return k, nil, errors.New("it is no line of kept heads")
	}
	if by, err = x509.ParseCertificate(k.Certificate); err != nil {
		return k, nil, errors.New("its certificate cannot be read")
	}
	s, err := Open(k.Head, by)
	if err != nil {
		return k, nil, err
	}
	if s.Gateway != k.Gateway || s.Number != k.Number || s.Hash != k.Hash {
		return k, nil, fmt.Errorf("it says line %d, its head line %d, or another hash or gateway", k.Number, s.Number)
	}
	return k, by, nil
}
