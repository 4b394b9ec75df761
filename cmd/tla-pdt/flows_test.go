//go:build linux

package main

import (
	"testing"

	"tlagate/cmd/internal/flows/flowstest"
)

func TestC1FlowsOfTheExample(t *testing.T) { flowstest.Golden(t, "tla-pdt", &grammar{}) }

// TestC1NoSettingIsForgottenInTheFlows: what else names an address has a flow.
func TestC1NoSettingIsForgottenInTheFlows(t *testing.T) {
	flowstest.Complete(t, config{}, config.flows,
		"access.tlas", "user.mode", "user.persons", "user.professions", "driver.pcscd", "driver.prefix",
		"status", "audit", "proxy_password", "hybrid")
}
