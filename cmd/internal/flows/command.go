package flows

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"text/tabwriter"

	"tlagate/cmd/internal/cli"
)

// Command is the command `flows` of every program. Each passes it its own list.
type Command struct {
	JSON    bool         `name:"json" xor:"form" help:"Print them as JSON."`
	NFT     bool         `name:"nft" xor:"form" help:"Print a packet filter for nftables, which refuses all else: nft -f FILE loads it."`
	Resolve bool         `help:"For --nft: look the names of hosts up, now, and allow their addresses alone."`
	DNS     []netip.Addr `name:"dns" placeholder:"IP,..." help:"This machine's DNS servers; any host if not given."`
	NTP     []netip.Addr `name:"ntp" placeholder:"IP,..." help:"This machine's time servers; any host if not given."`
	DHCP    bool         `name:"dhcp" help:"This machine has its address by DHCP."`
}

// Print writes the flows of a program, whose configuration is in file, and of its machine.
func (c Command) Print(app *cli.App, file string, l *List) error {
	c.machine(l)
	if err := l.Err(); err != nil {
		return cli.Usage("%w", err)
	}
	switch {
	case c.NFT:
		names, err := c.addresses(app.Context, l.Flows)
		if err != nil {
			return err
		}
		return ruleset(app.Stdout, file, l, names)
	case c.JSON:
		e := json.NewEncoder(app.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(report{l.Program, file, append(l.Flows, refused...)})
	}
	return table(app.Stdout, append(l.Flows, refused...))
}

// report is the JSON.
type report struct {
	Program       string `json:"program"`
	Configuration string `json:"configuration"`
	Flows         []Flow `json:"flows"`
}

// anything is the protocol of what is refused.
const anything = "any"

// refused is all else.
var refused = []Flow{
	{Direction: In, Source: Anywhere, Destination: Here, Protocol: anything, Purpose: "everything else", Code: "C1"},
	{Direction: Out, Source: Here, Destination: Anywhere, Protocol: anything, Purpose: "everything else", Code: "C1"},
}

// machine adds what the system needs so that the program works.
func (c Command) machine(l *List) {
	c.system(l, 123, c.NTP, Why{"SA2", "the time (NTP)"}, UDP)
	if len(c.DNS) > 0 || looksUp(l.Flows) {
		c.system(l, 53, c.DNS, Why{"C1", "names of hosts (DNS)"}, UDP, TCP)
	}
	if c.DHCP {
		lease := Why{"C1", "the address of this machine (DHCP)"}
		for _, port := range []uint16{67, 547} {
			l.add(Flow{Direction: Out, Source: Here, Destination: Anywhere, Port: port, Protocol: UDP}, lease)
			l.add(Flow{Direction: In, Source: Anywhere, Destination: Here, Port: answered[port], Protocol: UDP}, lease)
		}
	}
}

// answered has the port to which a DHCP server answers, which need not be an answer to the packet filter.
var answered = map[uint16]uint16{67: 68, 547: 546}

func (c Command) system(l *List, port uint16, servers []netip.Addr, why Why, protocols ...string) {
	ends := []string{Anywhere}
	if len(servers) > 0 {
		ends = nil
	}
	for _, s := range servers {
		ends = append(ends, plain(s.String()))
	}
	for _, end := range ends {
		for _, p := range protocols {
			d := Out
			if isLoopback(end) {
				d = Local
			}
			l.add(Flow{Direction: d, Source: Here, Destination: end, Port: port, Protocol: p}, why)
		}
	}
}

// looksUp reports whether a program, or its machine, has to know a host by its name.
func looksUp(list []Flow) bool {
	for _, f := range list {
		if f.Direction == Out && (isName(f.Destination) || f.Destination == Anywhere) {
			return true
		}
	}
	return false
}

func table(out io.Writer, list []Flow) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "VERDICT\tDIRECTION\tSOURCE\tDESTINATION\tPORT\tPROTOCOL\tCODE\tPURPOSE\tKEY")
	for _, f := range list {
		verdict, port, key := "allowed", strconv.Itoa(int(f.Port)), f.Key
		if !f.Allowed {
			verdict = "refused"
		}
		if f.Port == 0 {
			port = anything
		}
		if key == "" {
			key = "-"
		}
		fmt.Fprintln(w, cli.Screen(fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", verdict, f.Direction, f.Source,
			f.Destination, port, f.Protocol, f.Code, f.Purpose, key)))
	}
	return w.Flush()
}
