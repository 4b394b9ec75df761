// Package recipients reads those for whom a file is encrypted with age.
package recipients

import (
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"

	"tlagate/internal/algorithms"
)

// List is a list of recipients.
type List []age.Recipient

// Parse reads age recipients, each of which is written out (age1…) or a file with one per line.
func Parse(args []string) (all List, err error) {
	for _, arg := range args {
		text := io.Reader(strings.NewReader(arg))
		if !strings.HasPrefix(arg, "age1") {
			file, err := os.Open(arg)
			if err != nil {
				return nil, fmt.Errorf("cannot read the recipients: %w", err)
			}
			defer file.Close()
			text = file
		}
		some, err := age.ParseRecipients(text)
		if err != nil {
			return nil, fmt.Errorf("cannot read the recipients: %w", err)
		}
		all = append(all, some...)
	}
	return all, checkKinds(all)
}

// Names returns the recipients as they are written out.
func (l List) Names() (all []string) {
	for _, r := range l {
		all = append(all, fmt.Sprint(r))
	}
	return all
}

// checkKinds accepts the kinds whose algorithms Uses lists (G5), and no others.
func checkKinds(all List) error {
	for _, r := range all {
		switch r.(type) {
		case *age.X25519Recipient, *age.HybridRecipient:
		default:
			return fmt.Errorf("cannot encrypt to a recipient of type %T: want age1… or age1pq1…", r)
		}
	}
	return nil
}

// Uses returns the rows of a package that encrypts to recipients: what for, when one is hybrid (age1pq1…), and when
// not.
func Uses(hybrid, x25519 algorithms.Text) []algorithms.Use {
	return []algorithms.Use{
		{Kind: algorithms.Rest, Name: "age: ML-KEM-768 + X25519, ChaCha20-Poly1305", Bits: 128,
			Outside: Outside, RGS: algorithms.Stays, For: hybrid,
			By: []string{"age-encryption.org/v1", "FIPS 203", "RFC 9180", "RFC 8439",
				algorithms.PG083("RègleSécuAsym, RèglePQSécuAsym")}},
		{Kind: algorithms.Rest, Name: "age: X25519, ChaCha20-Poly1305", Bits: 128,
			Outside: Outside, RGS: algorithms.Stays, For: x25519,
			By: []string{"age-encryption.org/v1", "RFC 7748", "RFC 5869", "RFC 8439"}},
	}
}

// Outside says why age is outside the letter of RGS B1.
var Outside = algorithms.Text{
	EN: "B1 knows neither X25519 (order of 253 bits, RègleECp-2 asks 256) nor ChaCha20-Poly1305 nor scrypt; age " +
		"offers nothing else, and what of it goes over the network goes inside TLS.",
	FR: "B1 ne connaît ni X25519 (ordre de 253 bits, RègleECp-2 en veut 256), ni ChaCha20-Poly1305, ni scrypt ; age " +
		"n'offre rien d'autre, et ce qui en passe sur le réseau passe dans TLS."}
