package trust

import "crypto/tls"

// Exported for tests.
var (
	ParseServerHello = parseServerHello
	Authenticated    = authenticated
	PartyConfig      = func(p *Party) *tls.Config { return (&handshake{party: p, alpn: ALPNCard}).config() }
)
