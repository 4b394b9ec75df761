package main

import (
	"testing"

	"tlagate/cmd/internal/flows/flowstest"
)

func TestC1FlowsOfTheExample(t *testing.T) { flowstest.Golden(t, "tla-ocsp", &grammar{}) }

// TestC1NoSettingIsForgottenInTheFlows: what else names an address has a flow.
func TestC1NoSettingIsForgottenInTheFlows(t *testing.T) {
	flowstest.Complete(t, config{}, config.flows,
		"path", "issuer", "database", "audit")
}
