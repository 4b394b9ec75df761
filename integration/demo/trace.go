package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tlagate/audit"
	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/tla"
)

// traceFile returns the file of a program's trace.
func (d *demo) traceFile(program string) string { return d.lab.Path(program + "-audit.jsonl") }

// traceOf returns the line of a program's configuration that has it keep a trace.
func (d *demo) traceOf(program string) string { return "audit: " + d.traceFile(program) }

// waitTraced waits until a line is in the gateway's trace: what has happened is written there within moments.
func (d *demo) waitTraced(kind audit.Kind) error {
	return world.Poll(world.Patience, "the gateway's trace to have "+string(kind), func() error {
		for line, err := range audit.Read(d.traceFile("gateway")) {
			if err != nil {
				return err
			}
			if line.Entry.Event == kind {
				return nil
			}
		}
		return errors.New("it has not")
	})
}

// gateway runs a command of the gateway's operator, shows it and what it printed, and returns that.
func (d *demo) gateway(args ...string) (string, error) {
	path, err := world.Binary("tla-gateway")
	if err != nil {
		return "", err
	}
	d.command("gw", "tla-gateway", append(slices.Clone(args), "--config", "gateway.yaml"))
	output, err := must(nil, path, append(args, "--config", d.lab.Path("gateway.yaml"))...)
	d.output(short(output))
	return output, err
}

// verifyTrace shows that the gateway's trace is whole, and the one of which the PKI has a head.
func (d *demo) verifyTrace() error {
	output, err := d.gateway("audit", "verify", "--heads")
	if err != nil {
		return err
	}
	if !strings.Contains(output, "are those that the PKI knows of "+lab.Gateway) {
		return errors.New("no head of the gateway's trace is at the PKI")
	}
	d.found("the chain is whole, and has the line whose signed head the PKI took at the gateway's start; it takes " +
		"another every hour")
	return nil
}

// searchTrace shows what the gateway recorded of the terminal.
func (d *demo) searchTrace() error {
	args := []string{"audit", "search", "--identity", lab.TLA, "--since", "1h"}
	for _, kind := range []string{"access.*", "session.opened", "session.ended", "link.cut"} {
		args = append(args, "--event", kind)
	}
	output, err := d.gateway(args...)
	if err != nil {
		return err
	}
	for _, kind := range []string{"access.accepted", "session.opened", "link.cut", "session.ended", "access.refused"} {
		if !strings.Contains(output, kind) {
			return fmt.Errorf("the gateway's trace has no %s of the terminal", kind)
		}
	}
	d.found("who came, from where, what became of the session, and the refusal: each in one line, with its time")
	return nil
}

// noteIncident keeps the number that the terminal's user reads of the end of the session.
func (d *demo) noteIncident() error {
	text, err := d.lab.Relay("status", "--json")
	if err != nil {
		return err
	}
	var answer tla.Answer
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return fmt.Errorf("cannot read the relay's status: %w", err)
	}
	if answer.Status != nil && answer.Status.Last != nil {
		d.incident = answer.Status.Last.Incident
	}
	if d.incident == "" {
		return errors.New("the terminal shows no incident number for the cut")
	}
	return nil
}

// tellIncident shows the story of the session that was cut.
func (d *demo) tellIncident() error {
	output, err := d.gateway("incident", d.incident)
	if err != nil {
		return err
	}
	for _, part := range []string{"gateway   link.cut", "terminal  session.up", "reason=revoked"} {
		if !strings.Contains(output, part) {
			return fmt.Errorf("the story of incident %s does not say %q", d.incident, part)
		}
	}
	d.found("number %s is all that the user has to read out; lines of terminal and workstation came home inside the "+
		"session", d.incident)
	return nil
}
