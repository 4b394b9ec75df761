package main

import (
	"testing"

	"tlagate/cmd/internal/flows/flowstest"
)

func TestC1FlowsOfTheExample(t *testing.T) { flowstest.Golden(t, "tla-gateway", &grammar{}) }

// TestC1NoSettingIsForgottenInTheFlows: what else names an address has a flow.
func TestC1NoSettingIsForgottenInTheFlows(t *testing.T) {
	flowstest.Complete(t, config{Listen: ":8443"}, config.flows,
		"push.name", "enrolment.name", "access.tla", "access.pdt", "access.persons", "access.professions",
		"user.mode", "siem.name", "siem.anchor", "api.tls_socket", "api.admins.identity", "api.admins.roles",
		"bundles", "clones")
}
