package store

import (
	"database/sql"
	"errors"
	"fmt"
)

// Standing is how far the books have come.
type Standing struct {
	CRL          int64 `json:"crl_number"` // last CRLNumber of the issuing CA
	ARL          int64 `json:"arl_number"` // last CRLNumber of the root
	Event        int64 `json:"last_event"` // highest event id ever used
	Certificates int64 `json:"certificates"`
}

// Standing returns how far the books of these two CAs have come.
func (d *DB) Standing(issuing, root string) (at Standing, err error) {
	if at.CRL, _, err = d.LastCRL(issuing); err == nil {
		at.ARL, _, err = d.LastCRL(root)
	}
	if err == nil {
		err = d.db.QueryRow(`SELECT count(*) FROM certificates`).Scan(&at.Certificates)
	}
	if err == nil {
		err = d.db.QueryRow(`SELECT seq FROM sqlite_sequence WHERE name = 'events'`).Scan(&at.Event)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return at, fmt.Errorf("cannot read how far the books have come: %w", err)
	}
	return at, nil
}

// CopyTo copies the database, as of one moment, into a file that does not exist yet.
func (d *DB) CopyTo(file string) error {
	_, err := d.db.Exec(`VACUUM INTO ?`, file)
	return err
}

// OpenCopy opens a copy as it is, whatever its version, and checks the whole of it.
func OpenCopy(file string) (*DB, error) {
	d, err := connect(file)
	if err != nil {
		return nil, err
	}
	if err := d.Check(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot use the copy of the books: %w", err), d.Close())
	}
	return d, nil
}

// Check makes SQLite check the whole database.
func (d *DB) Check() error {
	if err := d.checkIntegrity(); err != nil {
		return err
	}
	rows, err := d.db.Query(`PRAGMA foreign_key_check`)
	if err != nil {
		return fmt.Errorf("the database cannot be checked: %w", err)
	}
	defer rows.Close()
	if rows.Next() {
		return errors.New("the database has answers about certificates that it does not have")
	}
	return rows.Err()
}

func (d *DB) checkIntegrity() error {
	rows, err := d.db.Query(`PRAGMA integrity_check`)
	if err != nil {
		return fmt.Errorf("the database cannot be checked: %w", err)
	}
	defer rows.Close()
	var says string
	n := 0
	for ; rows.Next(); n++ {
		if err := rows.Scan(&says); err != nil {
			return fmt.Errorf("the database cannot be checked: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("the database cannot be checked: %w", err)
	}
	if n != 1 || says != "ok" {
		return fmt.Errorf("the database is damaged (%d faults)", n)
	}
	return nil
}
