package main

import (
	"testing"

	"tlagate/cmd/internal/flows"
	"tlagate/cmd/internal/flows/flowstest"
)

func TestC1FlowsOfTheExample(t *testing.T) { flowstest.Golden(t, "tla-relay", &grammar{}) }

// TestC1NoSettingIsForgottenInTheFlows: what else names an address has a flow.
func TestC1NoSettingIsForgottenInTheFlows(t *testing.T) {
	of := func(c config) *flows.List { return c.flows(c.Gateways.Texts()) }
	flowstest.Complete(t, config{}, of, // a relay fetches nothing: load refuses URLs under trust
		"pdt", "pdts", "trust.crls", "trust.ocsp.responders", "policy", "control.seat", "audit",
		"start_key.device", "clock_floor", "proxy_password", "hybrid", "sandbox", "sandbox_paths")
}
