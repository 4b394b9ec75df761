package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"tlagate/ca"
	"tlagate/cmd/internal/cli"
	"tlagate/est"
	"tlagate/internal/files"
	"tlagate/pki"
)

const (
	maxFleet     = 100_000  // rows
	maxFleetFile = 64 << 20 // octets
)

var fleetColumns = []string{"role", "practice", "name", "dns"}

// inviteFleet makes a code for each row of a file. The place of the codes is made first: codes that could not be
// written would be lost.
func (c *inviteCmd) inviteFleet(app *cli.App) error {
	list, err := c.readFleet()
	if err != nil {
		return cli.Usage("cannot use %s: %w", c.CSV, err)
	}
	out, err := os.OpenFile(c.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot write the codes: %w", err)
	}
	if err := files.Private(out); err != nil {
		return errors.Join(fmt.Errorf("cannot write the codes to %s: %w", c.Out, err), out.Close(), os.Remove(c.Out))
	}
	withdrawn, err := c.inviteAll(app, list, out)
	if err = errors.Join(err, out.Close()); err != nil {
		os.Remove(c.Out)
		return err
	}
	fmt.Fprintf(app.Stdout, "%s: %d codes, each good once within %s; keep it secret, and delete it when they are "+
		"handed out\n", c.Out, len(list.guests), c.TTL)
	if withdrawn > 0 {
		fmt.Fprintf(app.Stdout, "withdrawn: %d codes from before, which are worthless now\n", withdrawn)
	}
	return nil
}

// inviteAll makes the codes, and writes them; it returns how many from before they withdraw.
func (c *inviteCmd) inviteAll(app *cli.App, list *fleet, out *os.File) (withdrawn int, err error) {
	if c.As != "" {
		invited, err := c.asOfficer(app, list.guests...)
		if err != nil {
			return 0, err
		}
		return len(invited.Withdrawn), c.writeFleet(out, list, invited.Codes)
	}
	err = c.act(app, "invite", func(authority *ca.CA) error {
		invited, err := authority.Invitations.Invite(list.guests...)
		if errors.Is(err, ca.ErrHasCertificate) {
			return fmt.Errorf("%w; nobody is invited: take these rows out, or --again", err)
		}
		if errors.Is(err, ca.ErrHasCode) {
			return fmt.Errorf("%w; nobody is invited, and their codes stay good: take these rows out, or withdraw "+
				"the codes with --again", err)
		}
		if err != nil {
			return err
		}
		app.Log.Info("fleet invited", "devices", len(list.guests), "by", operator(), "ttl", c.TTL)
		withdrawn = len(invited.Withdrawn)
		return c.writeFleet(out, list, invited.Codes)
	})
	return withdrawn, err
}

func (c *inviteCmd) readFleet() (*fleet, error) {
	file, err := os.Open(c.CSV)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFleetFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFleetFile {
		return nil, fmt.Errorf("it is longer than %d octets", maxFleetFile)
	}
	f := &fleet{}
	return f, f.read(text, c.guest())
}

// fleet is a file of devices, as a spreadsheet saves it: a French one puts ";" between columns and a byte order mark
// before them.
type fleet struct {
	guests []ca.Guest
	comma  rune
	column map[string]int
}

func (f *fleet) read(text []byte, like ca.Guest) error {
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	if !utf8.Valid(text) {
		return errors.New("it is not UTF-8: save it as CSV UTF-8")
	}
	rows := csv.NewReader(bytes.NewReader(text))
	rows.Comma = separatorOf(text)
	head, err := rows.Read()
	if err != nil {
		return fmt.Errorf("its first row is not %s", strings.Join(fleetColumns, ","))
	}
	f.comma = rows.Comma
	if err := f.columns(head); err != nil {
		return err
	}
	for {
		row, err := rows.Read()
		switch {
		case errors.Is(err, io.EOF) && len(f.guests) == 0:
			return errors.New("it names no device")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case strings.Join(row, "") == "": // what a spreadsheet leaves of an emptied row
			continue
		case len(f.guests) == maxFleet:
			return fmt.Errorf("it has more than %d rows", maxFleet)
		}
		f.guests = append(f.guests, f.guestOf(row, like))
	}
}

// separatorOf is what the first row has most of.
func separatorOf(text []byte) rune {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	most := ','
	for _, r := range ";\t" {
		if strings.Count(string(first), string(r)) > strings.Count(string(first), string(most)) {
			most = r
		}
	}
	return most
}

// columns finds where each is; others than those wanted are not looked at.
func (f *fleet) columns(head []string) error {
	f.column = map[string]int{}
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := f.column[name]; twice && slices.Contains(fleetColumns, name) {
			return fmt.Errorf("it has the column %s twice", name)
		}
		f.column[name] = i
	}
	var missing []string
	for _, name := range fleetColumns {
		if _, ok := f.column[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("its first row does not name the column %s; want %s", strings.Join(missing, ", "),
			strings.Join(fleetColumns, ","))
	}
	return nil
}

func (f *fleet) guestOf(row []string, guest ca.Guest) ca.Guest {
	field := func(name string) string { return strings.TrimSpace(row[f.column[name]]) }
	guest.Identity = pki.Identity{Role: pki.Role(field("role")), Practice: field("practice"), Name: field("name")}
	guest.DNS = strings.Fields(field("dns"))
	guest.OneCode = !guest.Again
	return guest
}

// writeFleet writes the rows with their codes and, when it is known where to enrol, what goes into a QR code.
func (c *inviteCmd) writeFleet(out *os.File, list *fleet, codes []est.Code) error {
	w := csv.NewWriter(out)
	w.Comma = list.comma
	rows := [][]string{append(slices.Clone(fleetColumns), "code", "uri")}
	for i, g := range list.guests {
		uri := ""
		if c.place() != "" {
			uri = c.uri(codes[i])
		}
		rows = append(rows, []string{string(g.Identity.Role), g.Identity.Practice, g.Identity.Name,
			strings.Join(g.DNS, " "), codes[i].Text(), uri})
	}
	if err := w.WriteAll(rows); err != nil {
		return fmt.Errorf("cannot write the codes, which are lost: invite with --again: %w", err)
	}
	return out.Sync()
}
