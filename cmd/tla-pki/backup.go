package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"golang.org/x/term"

	"tlagate/ca"
	"tlagate/ca/backup"
	"tlagate/cmd/internal/cli"
	"tlagate/internal/files"
	"tlagate/internal/recipients"
	"tlagate/internal/stamp"
)

type backupCmd struct {
	Dir        string   `short:"d" placeholder:"DIR" env:"TLA_PKI_DIR" help:"The CA's directory."`
	To         string   `xor:"mode" required:"" placeholder:"FILE" help:"Make a backup in FILE, which must not exist."`
	Verify     string   `xor:"mode" required:"" placeholder:"FILE" help:"Check the backup FILE; writes nothing."`
	NewKey     string   `xor:"mode" required:"" placeholder:"FILE" help:"${backup_new_key}"`
	Recipient  []string `sep:"none" placeholder:"AGE" help:"${backup_recipient}"`
	Identity   string   `placeholder:"FILE" help:"To check: the age identity that opens it."`
	Passphrase bool     `help:"${backup_passphrase}"`
	WithRoot   bool     `help:"The root's key too: whoever opens the backup can then make any certificate."`
	Root       string   `placeholder:"DIR" help:"Directory with the root's key, when it is not DIR/root."`
}

// Run makes or checks a backup.
func (b *backupCmd) Run(app *cli.App) error {
	switch {
	case b.NewKey != "":
		if err := backup.NewKey(b.NewKey); err != nil {
			return err
		}
		fmt.Fprintf(app.Stdout, "%[1]s opens backups: keep it offline, twice.\n%[1]s.pub is for --recipient.\n",
			b.NewKey)
		return nil
	case b.Verify != "":
		return b.verify(app)
	}
	return b.make(app)
}

func (b *backupCmd) make(app *cli.App) error {
	if b.Dir == "" {
		return cli.Usage("--dir must be given")
	}
	to, err := b.recipients(app)
	if err != nil {
		return err
	}
	return caDir{b.Dir, b.Root}.open(app, func(authority *ca.CA) error {
		made, err := backup.Make(backup.Config{CA: authority, Dir: b.Dir, Root: b.rootDir(), To: b.To,
			Recipients: to})
		if err != nil {
			return err
		}
		for _, warning := range append(warnings(made.Manifest), withoutModes(b.To)...) {
			app.Log.Warn(warning)
		}
		fmt.Fprintf(app.Stdout, "%s: %s\nSHA-256 of the file: %s\n", b.To, describe(made.Manifest), made.SHA256)
		return nil
	}, b.To)
}

func (b *backupCmd) rootDir() string {
	switch {
	case !b.WithRoot:
		return ""
	case b.Root != "":
		return b.Root
	}
	return b.Dir + "/root"
}

func (b *backupCmd) recipients(app *cli.App) ([]age.Recipient, error) {
	if b.Passphrase == (len(b.Recipient) > 0) {
		return nil, cli.Usage("want either --recipient or --passphrase")
	}
	if !b.Passphrase {
		return recipients.Parse(b.Recipient)
	}
	text, err := passphrase(app, true)
	if err != nil {
		return nil, err
	}
	r, err := backup.Passphrase(text)
	return []age.Recipient{r}, err
}

func (b *backupCmd) verify(app *cli.App) error {
	ids, err := identities(app, b.Identity, b.Passphrase)
	if err != nil {
		return err
	}
	m, err := backup.Verify(b.Verify, ids)
	if err != nil {
		return err
	}
	for _, warning := range warnings(m) {
		app.Log.Warn(warning)
	}
	fmt.Fprintf(app.Stdout, "%s: %s\ncomplete, unaltered, signed by the issuing CA\n", b.Verify, describe(m))
	return nil
}

func identities(app *cli.App, file string, asked bool) ([]age.Identity, error) {
	if asked == (file != "") {
		return nil, cli.Usage("want either --identity or --passphrase")
	}
	if !asked {
		return backup.Identities(file)
	}
	text, err := passphrase(app, false)
	if err != nil {
		return nil, err
	}
	id, err := backup.PassphraseIdentity(text)
	return []age.Identity{id}, err
}

func describe(m backup.Manifest) string {
	return fmt.Sprintf("backup of %q (root %s) of %s\n%d certificates, CRL number %d, ARL number %d, last event %d, "+
		"%d files",
		m.Name, m.Root, stamp.Second(m.Made), m.Certificates, m.CRL, m.ARL, m.Event, len(m.Files))
}

func warnings(m backup.Manifest) (out []string) {
	if m.Key == backup.KeyElsewhere {
		out = append(out, "the issuing CA's key is not in the backup: it is in hardware, and needs a copy of its own")
	}
	if m.WithRoot {
		out = append(out, "the root's key is in the backup: keep it where the root is kept")
	}
	return out
}

// withoutModes warns of a backup on a medium without modes, which needs none.
func withoutModes(file string) (out []string) {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	if errors.Is(files.Private(f), files.ErrReadable) {
		out = append(out, "the medium keeps no modes: others of this machine can copy the backup, which is encrypted")
	}
	return out
}

// passphrase asks at a terminal, twice for a new one; otherwise it reads a line.
func passphrase(app *cli.App, fresh bool) (string, error) {
	file, ok := app.Stdin.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(app.Stdin, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("cannot read the passphrase: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	first, err := ask(app, file, "Passphrase: ")
	if err != nil || !fresh {
		return first, err
	}
	again, err := ask(app, file, "Again: ")
	if err == nil && first != again {
		err = errors.New("cannot use the passphrase: the two are not the same")
	}
	return first, err
}

func ask(app *cli.App, file *os.File, prompt string) (string, error) {
	fmt.Fprint(app.Stderr, prompt)
	text, err := term.ReadPassword(int(file.Fd()))
	fmt.Fprintln(app.Stderr)
	if err != nil {
		return "", fmt.Errorf("cannot read the passphrase: %w", err)
	}
	return string(text), nil
}
