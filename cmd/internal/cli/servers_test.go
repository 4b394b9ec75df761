package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/internal/address"
)

func TestServersOfAConfiguration(t *testing.T) {
	type config struct {
		Gateways cli.Servers `yaml:"gateways"`
		PKI      cli.Server  `yaml:"pki"`
	}
	for text, want := range map[string]config{
		`gateways: [gw.example:8443, "gw2.example=192.0.2.7:8443"]`: {
			Gateways: cli.Servers{"gw.example:8443", "gw2.example=192.0.2.7:8443"}},
		"gateways:\n  - {address: 192.0.2.7:8443, name: gw.example}\n  - gw2.example:8443": {
			Gateways: cli.Servers{"gw.example=192.0.2.7:8443", "gw2.example:8443"}},
		`pki: {address: "[2001:db8::1]:8445", name: pki.example}`: {PKI: "pki.example=[2001:db8::1]:8445"},
	} {
		var got config
		require.NoError(t, cli.DecodeYAML([]byte(text), &got), text)
		require.Equal(t, want, got)
		require.NoError(t, address.Servers("gateways", got.Gateways.Texts()))
	}
	for text, says := range map[string]string{
		`gateways: [a:1, {address: 192.0.2.7:8443}]`:    `"gateways[1]" cannot be used: want HOST:PORT, or {`,
		`gateways: [{name: gw.example}]`:                `"gateways[0]" cannot be used: want HOST:PORT, or {`,
		`gateways: [{address: a:1, name: }]`:            `"name" has no value`,
		`gateways: [{adress: a:1, name: b}]`:            `unknown key "adress"`,
		`gateways: [{address: [a:1], name: b}]`:         `"address" is a list`,
		`gateways: [[a:1]]`:                             `"gateways[0]" cannot be used`,
		`gateways: a:1`:                                 `"gateways" is no list`,
		"pki: {address: a:1,\n  name: b, policy: none}": `unknown key "policy"`,
		`pki: {address: a:1, name: b, name: c}`:         `"name" already defined`,
	} {
		require.ErrorContains(t, cli.DecodeYAML([]byte(text), new(config)), says, text)
	}
}
