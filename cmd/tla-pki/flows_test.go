package main

import (
	"testing"

	"tlagate/cmd/internal/flows/flowstest"
)

func TestC1FlowsOfTheExample(t *testing.T) { flowstest.Golden(t, "tla-pki", &grammar{}, options()...) }

// TestC1NoSettingIsForgottenInTheFlows: what else names an address has a flow.
func TestC1NoSettingIsForgottenInTheFlows(t *testing.T) {
	flowstest.Complete(t, serveConfig{}, serveConfig.flows,
		"dir", "renew.csr", "admins.identity", "admins.roles")
}
