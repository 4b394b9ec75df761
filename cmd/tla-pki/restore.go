package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"tlagate/ca"
	"tlagate/ca/backup"
	"tlagate/ca/store"
	"tlagate/cmd/internal/cli"
	"tlagate/internal/address"
	"tlagate/internal/stamp"
	"tlagate/pki"
	"tlagate/pki/revocation"
)

type restoreCmd struct {
	From       string   `required:"" placeholder:"FILE" help:"The backup."`
	Dir        string   `required:"" short:"d" placeholder:"DIR" help:"${restore_dir}"`
	Identity   string   `placeholder:"FILE" help:"The age identity that opens the backup."`
	Passphrase bool     `help:"${restore_passphrase}"`
	Published  []string `sep:"none" placeholder:"FILE|URL" help:"${restore_published}"`
	AcceptLoss bool     `help:"${restore_accept_loss}"`
}

// Run makes a CA from a backup.
func (r *restoreCmd) Run(app *cli.App) error {
	ids, err := identities(app, r.Identity, r.Passphrase)
	if err != nil {
		return err
	}
	lists, err := fetchAll(app.Context, r.Published)
	if err != nil {
		return err
	}
	if err := becomeOwner(r.Dir); err != nil {
		return err
	}
	restored, err := backup.Restore(backup.RestoreConfig{From: r.From, Dir: r.Dir, Identities: ids, Published: lists,
		AcceptLoss: r.AcceptLoss})
	if err != nil {
		if !r.AcceptLoss {
			return fmt.Errorf("%w\ngive the newest CRL and ARL that any web server, gateway or TLA has with "+
				"--published; --accept-loss goes on without", err)
		}
		return err
	}
	for _, warning := range warnings(restored.Manifest) {
		app.Log.Warn(warning)
	}
	r.report(app, restored)
	return nil
}

func (r *restoreCmd) report(app *cli.App, restored backup.Restored) {
	caught := restored.Caught
	fmt.Fprintf(app.Stdout, "%s: %s\n", r.Dir, describe(restored.Manifest))
	for _, l := range caught.Lists {
		fmt.Fprintf(app.Stdout, "published list number %d of %s, %d revoked: taken over\n", l.Number,
			stamp.Second(l.ThisUpdate), l.Entries)
	}
	fmt.Fprintf(app.Stdout, "revoked now by these lists: %d that the books knew, %d that they had lost\n",
		caught.Revoked, caught.Lost)
	for _, held := range caught.Held {
		fmt.Fprintf(app.Stdout, "still on hold, though not on the newest list: %s of %s; release it if that is right\n",
			held.Serial, held.Identity)
	}
	for _, gap := range caught.Gaps {
		app.Log.Warn("LOSS ACCEPTED: certificates revoked after the backup may be good again; compare with the "+
			"gateways' logs and revoke them anew", "why", gap)
	}
	fmt.Fprintf(app.Stdout, `Next:
1. compare the root's SHA-256 above with the ceremony's record
2. make sure that the old CA does not run any more
3. tla-pki crl --dir %[1]s, and verify a certificate with the new list
4. revoke what was revoked after the newest list above: the gateways' logs have it
5. tla-pki adopt: certificates issued after %[2]s are not in the books
6. start tla-pki serve and tla-ocsp; make a new backup
`, r.Dir, stamp.Second(restored.Made))
}

func fetchAll(ctx context.Context, sources []string) (lists []ca.Published, err error) {
	for _, source := range sources {
		data, err := fetch(ctx, source)
		if err != nil {
			return nil, fmt.Errorf("cannot read the published list %s: %w", address.Shown(source), err)
		}
		lists = append(lists, ca.Published{Source: address.Shown(source), Data: data})
	}
	return lists, nil
}

const (
	fetchTime = 2 * time.Minute
	fetchSize = 512 << 20 // octets: ten million entries
)

// fetch reads a file or a URL. Whose list it is, its signature says.
func fetch(ctx context.Context, source string) ([]byte, error) {
	if !address.IsURL(source) {
		return os.ReadFile(source)
	}
	if _, err := address.Fetched(source); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Cache-Control", "no-cache")   // the newest, not a cache's
	request.Header.Set("Accept-Encoding", "identity") // a little that is compressed can become as much as we take
	answer, err := revocation.NewClient(pki.CryptoDefault).Do(request)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // the URL's query may hold a secret
	}
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answered %d", answer.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, fetchSize+1))
	if err == nil && len(data) > fetchSize {
		err = errors.New("it is too long")
	}
	return data, err
}

type adoptCmd struct {
	ceremony
	Certs   []string `arg:"" optional:"" name:"cert" help:"${restore_certs}"`
	Revoked []string `sep:"none" placeholder:"HEX" help:"${restore_revoked}"`
	Reason  string   `default:"unspecified" help:"Why those are revoked."`
}

// Run completes restored books.
func (a *adoptCmd) Run(app *cli.App) error {
	reason, err := store.ParseReason(a.Reason)
	if err != nil {
		return cli.Usage("cannot revoke: %w", err)
	}
	if len(a.Certs)+len(a.Revoked) == 0 {
		return cli.Usage("name a certificate, or a serial number with --revoked")
	}
	return a.act(app, "adopt", func(authority *ca.CA) error {
		for _, serial := range a.Revoked {
			if err := authority.Recovery.RevokeLost(serial, reason); err != nil {
				return err
			}
			fmt.Fprintf(app.Stdout, "revoked %s: %s; not published yet: run tla-pki crl\n", serial, reason)
		}
		for _, file := range a.Certs {
			if err := adopt(app, authority, file); err != nil {
				return err
			}
		}
		return nil
	})
}

// adopt takes the first certificate of a file: those behind it are CAs.
func adopt(app *cli.App, authority *ca.CA, file string) error {
	certs, err := pki.ReadCertificates(file)
	if err != nil {
		return cli.Usage("%w", err)
	}
	record, err := authority.Recovery.Adopt(certs[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(app.Stdout, "adopted %s certificate %s of %s: %s\n", record.Profile, record.Serial, record.Identity,
		status(record))
	return nil
}
