// Package keycmd has what the programs do with the keys that they have: list them (G2), and erase an identity (G2,
// EL3).
package keycmd

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/internal/stamp"
	"tlagate/keys"
	"tlagate/pki"
)

// Entry is one key with its certificate, or a certificate alone. It holds no secret.
type Entry struct {
	Use       string `json:"use"`       // its section in the configuration, or its part in the CA
	Subject   string `json:"subject"`   // identity (URN) or name
	Algorithm string `json:"algorithm"` // "" = not known
	Where     string `json:"where"`
	// a keys.Protection; "public" = a certificate alone; "credential" = systemd's
	Protection string     `json:"protection"`
	Exportable bool       `json:"exportable"`
	Serial     string     `json:"serial,omitempty"` // hexadecimal
	From       *time.Time `json:"from,omitempty"`
	To         *time.Time `json:"to,omitempty"`
	Status     string     `json:"status"` // in date, expired, …; "WRONG: …" = cannot be used
	Config     string     `json:"config,omitempty"`
}

// The values of Entry.Protection that are no keys.Protection, and those of Entry.Status that are none of the CA's.
const (
	Public     = "public"
	Credential = "credential"
	InDate     = "in date" // whether it is revoked is not known here
	Expired    = "expired"
	Early      = "not yet valid"
	wrong      = "WRONG: "
)

// Certify fills in what a certificate says.
func (e *Entry) Certify(cert *x509.Certificate, now time.Time) {
	e.Subject, e.Algorithm, e.Serial = subjectOf(cert), Algorithm(cert), fmt.Sprintf("%x", cert.SerialNumber)
	e.From, e.To = &cert.NotBefore, &cert.NotAfter
	switch {
	case now.After(cert.NotAfter):
		e.Status = Expired
	case now.Before(cert.NotBefore):
		e.Status = Early
	default:
		e.Status = InDate
	}
}

// Hold fills in how the key is kept. What is wrong with the key overrides what the certificate says.
func (e *Entry) Hold(d keys.Description, err error) {
	e.Where, e.Protection, e.Exportable = d.Where, string(d.Protection), d.Exportable
	if e.Algorithm == "" {
		e.Algorithm = d.Kind
	}
	if err != nil {
		e.Status = wrong + err.Error()
	}
}

func subjectOf(cert *x509.Certificate) string {
	if id, err := pki.IdentityOf(cert); err == nil {
		return id.String()
	}
	return cert.Subject.CommonName
}

// Algorithm returns the name of the algorithm of a certificate's key.
func Algorithm(cert *x509.Certificate) string {
	switch key := cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	}
	return cert.PublicKeyAlgorithm.String()
}

// Of returns what the configuration file of any of the programs names: identities, wrapping keys, and the certificates
// that it trusts.
func Of(file string, now time.Time) ([]Entry, error) {
	found, err := read(file)
	if err != nil {
		return nil, err
	}
	var list []Entry
	for _, i := range found.identities {
		list = append(list, i.entry(now))
		list = append(list, wrapping(i.use, i.WrappingKey)...)
	}
	for _, s := range found.secrets {
		list = append(list, s.entry())
		list = append(list, wrapping(s.use, s.WrappingKey)...)
	}
	for _, c := range found.certificates {
		list = append(list, c.entries(now)...)
	}
	for n := range list {
		list[n].Config = file
	}
	return list, nil
}

func (i identity) entry(now time.Time) Entry {
	e := Entry{Use: i.use}
	about, keyErr := keys.Inspect(i.Key, keys.Config{WrappingKey: string(i.WrappingKey)})
	certs, err := pki.ReadCertificates(string(i.Cert))
	if err == nil {
		e.Certify(certs[0], now)
	} else {
		e.Status = wrong + err.Error()
	}
	e.Hold(about, keyErr)
	e.demandWrapped(i.WrappingKey)
	return e
}

// entry returns the entry of a key without a certificate: only its program can tell how old it is.
func (s secret) entry() Entry {
	e := Entry{Use: s.use, Algorithm: "HMAC-SHA-256", Status: inUse}
	e.Hold(keys.InspectSecret(string(s.File)))
	e.demandWrapped(s.WrappingKey)
	return e
}

// demandWrapped marks a key that lies there in clear, though there is a wrapping key for it.
func (e *Entry) demandWrapped(wrapping cli.Path) {
	if !strings.HasPrefix(e.Status, wrong) && e.Protection == string(keys.PlainFile) && wrapping != "" {
		e.Status = wrong + "the key is not encrypted, though wrapping_key is set"
	}
}

const inUse = "in use"

// wrapping returns the entry of a section's wrapping key, if it names one. Only the unit knows whether the key is
// there.
func wrapping(use string, where cli.Path) []Entry {
	if where == "" {
		return nil
	}
	e := Entry{Use: use + ".wrapping_key", Algorithm: "PBKDF2, AES-256", Where: string(where),
		Protection: string(keys.PlainFile), Exportable: true, Status: inUse}
	if strings.HasPrefix(e.Where, "credential:") {
		e.Protection = Credential
	}
	return []Entry{e}
}

func (c certificates) entries(now time.Time) []Entry {
	certs, err := pki.ReadCertificates(c.file)
	if err != nil {
		return []Entry{{Use: c.use, Where: c.file, Protection: Public, Status: wrong + err.Error()}}
	}
	var list []Entry
	for _, cert := range certs {
		e := Entry{Use: c.use, Where: c.file, Protection: Public}
		e.Certify(cert, now)
		list = append(list, e)
	}
	return list
}

// Columns are the headings of Print, in English.
var Columns = []string{"USE", "SUBJECT", "ALGORITHM", "WHERE", "PROTECTION", "SERIAL", "FROM", "TO", "STATUS"}

// Print prints a table for people.
func Print(w io.Writer, columns []string, list []Entry) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(columns, "\t"))
	for _, e := range list {
		fmt.Fprintln(t, strings.Join([]string{e.Use, dash(e.Subject), dash(e.Algorithm), e.Where, dash(e.Protection),
			dash(e.Serial), day(e.From), day(e.To), e.Status}, "\t"))
	}
	return t.Flush()
}

// PrintJSON prints the list as JSON.
func PrintJSON(w io.Writer, list []Entry) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(list)
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func day(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return stamp.Day(*t)
}

// List is the command `keys`: it prints what the configuration names. It fails if something cannot be used.
func List(app *cli.App, config string, asJSON bool, w Words) error {
	list, err := Of(config, time.Now())
	if err != nil {
		return err
	}
	if asJSON {
		err = PrintJSON(app.Stdout, list)
	} else {
		err = Print(app.Stdout, w.Columns, list)
	}
	if err == nil {
		err = Judge(list)
	}
	return err
}

// Judge returns exit code 1 if an entry cannot be used.
func Judge(list []Entry) error {
	for _, e := range list {
		if strings.HasPrefix(e.Status, wrong) {
			return cli.ExitCode(1, nil)
		}
	}
	return nil
}
