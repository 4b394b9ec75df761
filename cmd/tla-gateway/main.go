// Command tla-gateway is the meeting point of TLAs and PdTs.
package main

import "tlagate/cmd/internal/cli"

type grammar struct {
	Serve  serveCmd  `cmd:"" help:"Run the gateway."`
	Check  checkCmd  `cmd:"" help:"Read the configuration and everything it names, and say what is wrong."`
	Enroll enrollCmd `cmd:"" help:"Get our certificates from the PKI with a one-time code."`
}

func main() { cli.Main("tla-gateway", &grammar{}, nil) }
