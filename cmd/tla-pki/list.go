package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"tlagate/ca/store"
	"tlagate/cmd/internal/cli"
	"tlagate/internal/stamp"
)

type listCmd struct {
	office
	JSON bool `name:"json" help:"As JSON, with the certificates."`
}

func (c *listCmd) Run(app *cli.App) error {
	records, err := c.records(app, "")
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(app.Stdout, records)
	}
	return printTable(app.Stdout, records)
}

type showCmd struct {
	office
	Which string `arg:"" name:"serial-or-identity" help:"Serial number in hexadecimal, or identity urn:tlagate:…"`
	JSON  bool   `name:"json" help:"As JSON, with the certificates."`
}

func (c *showCmd) Run(app *cli.App) error {
	records, err := c.records(app, cli.WholeURN(c.Which))
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(app.Stdout, records)
	}
	for _, r := range records {
		printRecord(app.Stdout, r)
	}
	return nil
}

// recordJSON adds what a program cannot work out by itself.
type recordJSON struct {
	store.Record
	Expired bool `json:"expired"`
}

func printJSON(w io.Writer, records []store.Record) error {
	out := []recordJSON{}
	for _, r := range records {
		out = append(out, recordJSON{r, r.Expired(time.Now())})
	}
	return encodeJSON(w, out)
}

func encodeJSON(w io.Writer, list any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(list)
}

func printTable(w io.Writer, records []store.Record) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SERIAL\tSTATUS\tENDS\tPROFILE\tIDENTITY")
	for _, r := range records {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", r.Serial, status(r), stamp.Day(r.NotAfter), r.Profile, r.Identity)
	}
	return table.Flush()
}

func printRecord(w io.Writer, r store.Record) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "serial\t%s\nstatus\t%s\nprofile\t%s\nidentity\t%s\nnames\t%s\n",
		r.Serial, status(r), r.Profile, r.Identity, strings.Join(r.Names, ", "))
	fmt.Fprintf(table, "from\t%s\nuntil\t%s\nissuer key\t%s\n", stamp.Second(r.NotBefore), stamp.Second(r.NotAfter),
		r.Issuer)
	if r.RevokedAt != nil {
		fmt.Fprintf(table, "revoked\t%s\nreason\t%s\n", stamp.Second(*r.RevokedAt), r.Reason)
	}
	if r.Status == store.Intent {
		fmt.Fprintln(table, "note\tits issuance was broken off; it may have been signed, so revoke it")
	}
	table.Flush()
	fmt.Fprintf(w, "%s\n", r.PEM)
}

func status(r store.Record) string {
	switch {
	case r.Status == store.Revoked:
		return "revoked: " + r.Reason
	case r.Expired(time.Now()):
		return "expired"
	}
	return string(r.Status)
}
