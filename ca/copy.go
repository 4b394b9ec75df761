package ca

import (
	"database/sql"
	"errors"
	"fmt"
)

// Standing says how far the books have come.
type Standing struct {
	CRL          int64 `json:"crl_number"` // last CRLNumber of the issuing CA
	ARL          int64 `json:"arl_number"` // last CRLNumber of the root
	Event        int64 `json:"last_event"` // highest event id ever used
	Certificates int64 `json:"certificates"`
}

// Standing reads how far the books have come.
func (c *CA) Standing() (Standing, error) { return c.standing(c.store) }

func (c *CA) standing(s *store) (at Standing, err error) {
	if at.CRL, _, err = s.lastCRL(keyID(c.Issuing)); err == nil {
		at.ARL, _, err = s.lastCRL(keyID(c.Root))
	}
	if err == nil {
		err = s.db.Get(&at.Certificates, `SELECT count(*) FROM certificates`)
	}
	if err == nil {
		err = s.db.Get(&at.Event, `SELECT seq FROM sqlite_sequence WHERE name = 'events'`)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return at, fmt.Errorf("cannot read how far the books have come: %w", err)
	}
	return at, nil
}

// CopyBooks writes a copy of the database, as of one moment, into a file that does not exist yet, and checks it.
// Writers wait meanwhile, on the CA's lock and not on the database's: readers, the OCSP responder among them, notice nothing.
func (c *CA) CopyBooks(file string) (Standing, error) {
	err := c.locked(func() error {
		_, err := c.store.db.Exec(`VACUUM INTO ?`, file)
		return err
	})
	if err != nil {
		return Standing{}, fmt.Errorf("cannot copy the books: %w", err)
	}
	copied, err := connect(file)
	if err != nil {
		return Standing{}, err
	}
	defer copied.db.Close()
	if err := copied.sound(); err != nil {
		return Standing{}, fmt.Errorf("cannot use the copy of the books: %w", err)
	}
	return c.standing(copied)
}

// sound has SQLite check the whole database.
func (s *store) sound() error {
	var says []string
	if err := s.db.Select(&says, `PRAGMA integrity_check`); err != nil {
		return fmt.Errorf("the database cannot be checked: %w", err)
	}
	if len(says) != 1 || says[0] != "ok" {
		return fmt.Errorf("the database is damaged (%d faults)", len(says))
	}
	rows, err := s.db.Query(`PRAGMA foreign_key_check`)
	if err != nil {
		return fmt.Errorf("the database cannot be checked: %w", err)
	}
	defer rows.Close()
	if rows.Next() {
		return errors.New("the database has answers about certificates that it does not have")
	}
	return rows.Err()
}
