package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"tlagate/cmd/internal/cli"
	"tlagate/pki"
	"tlagate/pki/ca"
	"tlagate/pki/est"
)

const maxFleet = 100_000 // rows

var fleetColumns = []string{"role", "practice", "name", "dns"}

// inviteFleet makes a code for each row of a file. The place of the codes is made first: codes that could not be written would
// be lost.
func (c *inviteCmd) inviteFleet(app *cli.App) error {
	guests, err := c.readFleet()
	if err != nil {
		return cli.Usage("cannot use %s: %w", c.CSV, err)
	}
	out, err := os.OpenFile(c.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot write the codes: %w", err)
	}
	err = c.open(app, func(authority *ca.CA) error {
		codes, err := authority.Invite(guests...)
		if errors.Is(err, ca.ErrHasCertificate) {
			return fmt.Errorf("%w; nobody is invited: take these rows out, or --again", err)
		}
		if err != nil {
			return err
		}
		app.Log.Info("fleet invited", "devices", len(guests), "by", operator(), "ttl", c.TTL)
		return c.writeFleet(out, guests, codes)
	})
	if err = errors.Join(err, out.Close()); err != nil {
		os.Remove(c.Out)
		return err
	}
	fmt.Fprintf(app.Stdout, "%s: %d codes, each good once within %s; keep it secret, and delete it when they are handed out\n", c.Out, len(guests), c.TTL)
	return nil
}

func (c *inviteCmd) readFleet() ([]ca.Guest, error) {
	file, err := os.Open(c.CSV)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	rows := csv.NewReader(file)
	head, err := rows.Read()
	if err != nil || !slices.Equal(head, fleetColumns) {
		return nil, fmt.Errorf("its first row is not %s", strings.Join(fleetColumns, ","))
	}
	var guests []ca.Guest
	for {
		row, err := rows.Read()
		switch {
		case errors.Is(err, io.EOF) && len(guests) == 0:
			return nil, errors.New("it names no device")
		case errors.Is(err, io.EOF):
			return guests, nil
		case err != nil:
			return nil, err
		case len(guests) == maxFleet:
			return nil, fmt.Errorf("it has more than %d rows", maxFleet)
		}
		guests = append(guests, c.guestOf(row))
	}
}

func (c *inviteCmd) guestOf(row []string) ca.Guest {
	guest := c.guest()
	guest.Identity = pki.Identity{Role: pki.Role(row[0]), Practice: row[1], Name: row[2]}
	guest.DNS = strings.Fields(row[3])
	return guest
}

// writeFleet writes the rows with their codes and, when it is known where to enrol, what goes into a QR code.
func (c *inviteCmd) writeFleet(out *os.File, guests []ca.Guest, codes []est.Code) error {
	w := csv.NewWriter(out)
	rows := [][]string{append(slices.Clone(fleetColumns), "code", "uri")}
	for i, g := range guests {
		uri := ""
		if c.place() != "" {
			uri = c.uri(codes[i])
		}
		rows = append(rows, []string{string(g.Identity.Role), g.Identity.Practice, g.Identity.Name, strings.Join(g.DNS, " "), codes[i].Text(), uri})
	}
	if err := w.WriteAll(rows); err != nil {
		return fmt.Errorf("cannot write the codes, so invite again: %w", err)
	}
	return out.Sync()
}
