package main

import (
	"errors"
	"io/fs"
	"time"

	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/keycmd"
)

type inventoryCmd struct {
	office
	Files []string `arg:"" optional:"" name:"config" help:"${inventory_files}"`
	JSON  bool     `name:"json" help:"As JSON."`
}

// Run lists them, and exits 1 when a key cannot be used.
func (c *inventoryCmd) Run(app *cli.App) error {
	now := time.Now()
	others, err := c.others(now)
	if err != nil {
		return err
	}
	list, err := c.office.inventory(app, others)
	if err != nil {
		return err
	}
	if c.JSON {
		err = keycmd.PrintJSON(app.Stdout, list)
	} else {
		err = keycmd.Print(app.Stdout, keycmd.Columns, list)
	}
	return errors.Join(err, keycmd.Judge(list))
}

// others are the keys of configuration files, read before root becomes the CA's owner.
func (c *inventoryCmd) others(now time.Time) (list []keycmd.Entry, err error) {
	for _, file := range c.Files {
		of, err := keycmd.Of(file, now)
		if err != nil {
			return nil, cli.Usage("%w", err)
		}
		list = append(list, of...)
	}
	return list, nil
}

// inventoryOf lists the CA's own keys, what it issued, and others.
func inventoryOf(authority *ca.CA, others []keycmd.Entry, now time.Time) ([]keycmd.Entry, error) {
	books, err := authority.List()
	if err != nil {
		return nil, err
	}
	statuses := map[string]string{}
	for _, r := range books {
		statuses[r.Serial] = status(r)
	}
	list := ownKeys(authority, statuses, now)
	for _, r := range books {
		if !r.IsCA() {
			list = append(list, issuedEntry(r))
		}
	}
	return append(list, judged(others, statuses)...), nil
}

// ownKeys are the CA's own. An offline root is where it should be when its key is not here.
func ownKeys(authority *ca.CA, statuses map[string]string, now time.Time) []keycmd.Entry {
	var list []keycmd.Entry
	for _, k := range authority.Keys() {
		e := keycmd.Entry{Use: k.Use}
		e.Certify(k.Certificate, now)
		if errors.Is(k.Err, fs.ErrNotExist) && k.Certificate == authority.Root {
			e.Where, e.Protection = "kept offline", "not here"
		} else {
			e.Hold(k.Key, k.Err)
		}
		list = append(list, e)
	}
	return judged(list, statuses)
}

// judged puts what the books say in the place of what a certificate's dates say.
func judged(list []keycmd.Entry, statuses map[string]string) []keycmd.Entry {
	for i, e := range list {
		if known, ok := statuses[e.Serial]; ok && e.Status == keycmd.InDate {
			list[i].Status = known
		}
	}
	return list
}

// issuedEntry is a certificate of the books: its key is with its holder.
func issuedEntry(r store.Record) keycmd.Entry {
	e := keycmd.Entry{Use: r.Profile, Subject: r.Identity, Where: "with its holder", Protection: keycmd.Public,
		Serial: r.Serial, From: &r.NotBefore, To: &r.NotAfter, Status: status(r)}
	if cert, err := ca.ParseCertificate([]byte(r.PEM)); err == nil {
		e.Algorithm = keycmd.Algorithm(cert)
	}
	return e
}
