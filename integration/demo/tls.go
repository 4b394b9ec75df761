package main

import (
	"encoding/json"
	"errors"

	"tlagate/tla"
)

// negotiated shows in one line what both layers of TLS negotiated (C2).
func (d *demo) negotiated() error {
	answer, err := d.lab.Relay("status", "--json")
	if err != nil {
		return err
	}
	var a tla.Answer
	if err := json.Unmarshal([]byte(answer), &a); err != nil {
		return err
	}
	if a.Status == nil || a.Status.Session == nil || a.Status.Session.PdTTLS == nil {
		return errors.New("the terminal does not say what was negotiated")
	}
	s := a.Status.Session
	if *s.PdTTLS == *s.GatewayTLS {
		d.found("negotiated with the workstation, and with the gateway around it: %s", s.PdTTLS)
		return nil
	}
	d.found("negotiated with the workstation: %s; with the gateway around it: %s", s.PdTTLS, s.GatewayTLS)
	return nil
}
