package main

import (
	"context"
	"fmt"
	"log/slog"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/trail"
	"tlagate/pdt"
	"tlagate/pki/trust"
	"tlagate/session/user"
)

// userSection says whether the users of terminals have to prove who they are, and who may use this PdT.
type userSection struct {
	cli.User    `yaml:",inline"`
	Persons     []string `yaml:"persons"`     // the users who may, by their national identifier
	Professions []string `yaml:"professions"` // likewise, by their profession; both empty = every one who passes
}

func (u userSection) who() user.Who { return user.Who{Persons: u.Persons, Professions: u.Professions} }

// users opens the trust store of persons, if there is one.
func (c config) users(trace *trail.Trail, devices *trust.Trust, log *slog.Logger) (pdt.Users, error) {
	u := pdt.Users{Rule: c.User.Rule(), Who: c.User.who()}
	if c.Persons == nil {
		return u, nil
	}
	var err error
	if u.Persons, err = trust.Open(trace.Trust(c.Persons.Config(devices, log))); err != nil {
		return u, fmt.Errorf("persons: %w", err)
	}
	return u, nil
}

// runUsers keeps the trust store of persons up to date until ctx ends.
func (d *daemon) runUsers(ctx context.Context) error {
	if d.users.Persons == nil {
		<-ctx.Done()
		return nil
	}
	return d.users.Persons.Run(ctx)
}
