package main

import (
	"errors"
	"fmt"
	"strings"

	"tlagate/integration/world"
)

// showSockets shows the sockets of the three programs, and fails if the relay has any but Unix sockets. The gateway's
// listening socket proves that such sockets would be seen.
func (d *demo) showSockets() error {
	d.output("/proc/PID/fd and /proc/PID/net of the relay, and of the others to compare, say:")
	gateway, err := d.sockets("tla-gateway", d.lab.GatewayProc)
	if err != nil {
		return err
	}
	if _, err := d.sockets("tla-pdt", d.lab.PdTProc); err != nil {
		return err
	}
	relay, err := d.sockets("tla-relay", d.lab.RelayProc)
	if err != nil {
		return err
	}
	if !listens(gateway) {
		return errors.New("the gateway's listening socket is not seen, so this proves nothing")
	}
	if open := overNetwork(relay); len(open) > 0 {
		return fmt.Errorf("the relay must have no network socket, and has: %v", open)
	}
	d.found("the relay holds no network socket: neither listening nor connected")
	return nil
}

// sockets shows the sockets of a program in one line, and returns them.
func (d *demo) sockets(name string, p *world.Process) ([]socket, error) {
	all, err := socketsOf(p.PID())
	if err != nil {
		return nil, err
	}
	d.output(fmt.Sprintf("%-12s %s", name+":", describe(all)))
	return all, nil
}

// describe says what listens, how many connections there are, and how many sockets are local to the machine.
func describe(all []socket) string {
	var parts []string
	connections := 0
	for _, s := range overNetwork(all) {
		if s.Remote != "" && !s.Listen {
			connections++
			continue
		}
		parts = append(parts, s.String())
	}
	if connections > 0 {
		parts = append(parts, count(connections, "network connection"))
	}
	if len(parts) == 0 {
		parts = append(parts, "no network socket")
	}
	if n := ofKind(all, "unix"); n > 0 {
		parts = append(parts, count(n, "Unix socket")+" (local to the machine)")
	}
	if n := ofKind(all, "netlink"); n > 0 {
		parts = append(parts, count(n, "netlink socket")+" (to the kernel)")
	}
	return strings.Join(parts, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func ofKind(all []socket, kind string) (n int) {
	for _, s := range all {
		if s.Kind == kind {
			n++
		}
	}
	return n
}

func overNetwork(all []socket) (open []socket) {
	for _, s := range all {
		if s.network() {
			open = append(open, s)
		}
	}
	return open
}

func listens(all []socket) bool {
	for _, s := range overNetwork(all) {
		if s.Listen {
			return true
		}
	}
	return false
}

// onlyToGateway fails unless the relay's one network socket is its connection to the gateway.
func (d *demo) onlyToGateway() error {
	all, err := d.sockets("tla-relay", d.lab.RelayProc)
	if err != nil {
		return err
	}
	open := overNetwork(all)
	if len(open) != 1 || open[0].Listen || open[0].Remote != d.lab.GatewayAddr {
		return fmt.Errorf("the relay must have one connection, to the gateway %s, and has: %v", d.lab.GatewayAddr, open)
	}
	d.found("its one connection goes out to the gateway, and nothing listens")
	return nil
}
