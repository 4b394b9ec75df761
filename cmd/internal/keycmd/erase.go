package keycmd

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"tlagate/cmd/internal/cli"
	"tlagate/keys"
	"tlagate/pki"
)

// Words are the sentences of these commands, in the user's language. {name}, {where}, {serial} and {reason} are filled
// in.
type Words struct {
	Columns        []string
	Confirm        string // asks to type {name}
	NotConfirmed   string
	Running        string // {reason}
	File           string // what became of {where}
	PlainFile      string // why that is not enough
	Token, TPM     string
	Wrapping       string
	WrappingAbsent string
	Nothing        string // there was no key at {where}
	Revoke         string // before the commands
}

// English has the words for operators.
var English = Words{
	Columns:      Columns,
	Confirm:      "This destroys the keys of {name} for good. Type its name to confirm: ",
	NotConfirmed: "nothing was erased: the name typed is not {name}",
	Running: "cannot erase the keys of a program that runs, for it keeps them in memory: stop it first " +
		"({reason})",
	File: "destroyed: key file {where}, overwritten once and removed",
	PlainFile: "  It was not encrypted: on flash its old content may still be found. Only revocation ends the use " +
		"of a certificate's key.",
	Token: "destroyed: key {where}, in the token",
	TPM: "destroyed: blob {where} of a key in the TPM. A copy of it would work in this TPM only, until " +
		"tpm2_clear.",
	Wrapping: "destroyed: wrapping key {where}: what is left of key files cannot be read without it",
	WrappingAbsent: "NOT FOUND: wrapping key {where}. Destroy by hand what the unit's LoadCredentialEncrypted " +
		"names: that is what counts.",
	Nothing: "nothing there: {where}",
	Revoke:  "The certificates stay valid until they are revoked. At the CA, run now:",
}

// Erase is the command `erase`.
type Erase struct {
	Config  string       // configuration file
	Yes     bool         // do not ask
	Running func() error // returns why the program may be running; a nil error = it is not
	Words   Words
	Event   func(keys.Event) // called with what is destroyed, for the audit trace; nil = nothing is called

	stores []string // for tests; nil = systemd's
}

// Run destroys every key that the configuration names.
func (e *Erase) Run(app *cli.App) error {
	found, err := read(e.Config)
	if err != nil {
		return err
	}
	if err := e.Running(); err != nil {
		return fmt.Errorf("%s", fill(e.Words.Running, "reason", err.Error()))
	}
	if err := e.confirm(app, found.name()); err != nil {
		return err
	}
	for _, i := range found.identities {
		if err := e.destroy(app.Stdout, i); err != nil {
			return err
		}
	}
	for _, s := range found.secrets {
		if err := e.destroySecret(app.Stdout, s); err != nil {
			return err
		}
	}
	e.sayRevoke(app.Stdout, found)
	return nil
}

// name returns the name in the certificate, or if none can be read, where the key is.
func (h *holdings) name() string {
	for _, i := range h.identities {
		if certs, err := pki.ReadCertificates(string(i.Cert)); err == nil {
			if id, err := pki.IdentityOf(certs[0]); err == nil {
				return id.Name
			}
		}
	}
	return string(h.identities[0].Key)
}

func (e *Erase) confirm(app *cli.App, name string) error {
	if e.Yes {
		return nil
	}
	fmt.Fprint(app.Stdout, fill(e.Words.Confirm, "name", name))
	line, err := bufio.NewReader(io.LimitReader(app.Stdin, 4096)).ReadString('\n')
	if strings.TrimSpace(line) != name {
		fmt.Fprintln(app.Stdout)
		return fmt.Errorf("%s", fill(e.Words.NotConfirmed, "name", name))
	}
	if err == io.EOF {
		fmt.Fprintln(app.Stdout)
	}
	return nil
}

func (e *Erase) destroy(w io.Writer, i identity) error {
	if !i.Key.Hardware() { // the key of a renewal for which no certificate came yet (docs/enrolment.md, section 5)
		if err := keys.Erase(i.Key+".next", keys.Config{}); err != nil {
			return err
		}
	}
	return e.told(w, i.Key.File(), i.WrappingKey, func(c keys.Config) error { return keys.Erase(i.Key, c) })
}

func (e *Erase) destroySecret(w io.Writer, s secret) error {
	return e.told(w, string(s.File), s.WrappingKey, func(c keys.Config) error { return c.EraseSecret(string(s.File)) })
}

// told has something destroyed, and says what was.
func (e *Erase) told(w io.Writer, where string, wrapping cli.Path, destroy func(keys.Config) error) error {
	told := false
	err := destroy(keys.Config{WrappingKey: string(wrapping), PIN: cli.AskPIN, CredentialStores: e.stores,
		Event: func(event keys.Event) { told = told || event.Action != keys.Loaded; e.tell(w, event) }})
	if err == nil && !told {
		fmt.Fprintln(w, fill(e.Words.Nothing, "where", where))
	}
	return err
}

func (e *Erase) tell(w io.Writer, event keys.Event) {
	if e.Event != nil {
		e.Event(event)
	}
	say := func(sentence, where string) { fmt.Fprintln(w, fill(sentence, "where", where)) }
	switch {
	case event.Action == keys.WrappingErased:
		say(e.Words.Wrapping, event.Where)
	case event.Action == keys.WrappingAbsent:
		say(e.Words.WrappingAbsent, event.Where)
	case event.Action != keys.Erased:
	case event.Key.Protection == keys.PKCS11:
		say(e.Words.Token, event.Key.Where)
	case event.Key.Protection == keys.TPM:
		say(e.Words.TPM, event.Key.Where)
	default:
		say(e.Words.File, event.Key.Where)
		if event.Key.Protection != keys.EncryptedFile {
			say(e.Words.PlainFile, "")
		}
	}
}

// sayRevoke prints the commands that end the certificates of what was erased.
func (e *Erase) sayRevoke(w io.Writer, found *holdings) {
	fmt.Fprintln(w, e.Words.Revoke)
	for _, i := range found.identities {
		certs, err := pki.ReadCertificates(string(i.Cert))
		if err != nil {
			fmt.Fprintf(w, "  tla-pki revoke --dir DIR --cert %s --reason cessationOfOperation\n", i.Cert)
			continue
		}
		fmt.Fprintf(w, "  tla-pki revoke --dir DIR --serial %x --reason cessationOfOperation\n", certs[0].SerialNumber)
	}
}

func fill(sentence string, name, value string) string {
	return strings.ReplaceAll(sentence, "{"+name+"}", value)
}
