package main

import (
	"errors"
	"fmt"
	"io/fs"

	"tlagate/ca"
	"tlagate/cmd/internal/cli"
	"tlagate/keys"
)

// requestCmd makes what an officer or operator gives to those who issue their certificate.
type requestCmd struct {
	Key keys.Spec `required:"" placeholder:"KEY" help:"pkcs11:… or a file; the key is made there if there is none."`
	Out string    `required:"" short:"o" placeholder:"FILE" help:"Where to write the certificate request."`
}

// Run writes the request, and says which key it is of: who approves the certificate asks for that.
func (c *requestCmd) Run(app *cli.App) error {
	csr, err := requestOf(c.Key)
	if err != nil {
		return err
	}
	key, err := ca.KeyOf(csr)
	if err != nil {
		return err
	}
	if err := ca.WriteNew(c.Out, csr, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(app.Stdout, "%s: request of the key %s, for tla-pki issue --csr; tell who approves it this number "+
		"yourself\n", c.Out, key)
	return nil
}

// requestOf makes a request of a key, and the key if there is none.
func requestOf(where keys.Spec) (csr []byte, err error) {
	config := keys.Config{PIN: cli.AskPIN}
	key, err := keys.Open(where, config)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = keys.Generate(where, string(ca.P256), config)
	}
	if err != nil {
		return nil, err
	}
	defer key.Close()
	return ca.NewCSR(key)
}
