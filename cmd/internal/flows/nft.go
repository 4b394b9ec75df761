package flows

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// programs are those that share the table: a packet that one filter refuses is lost, whatever another says.
var programs = []string{"tla-gateway", "tla-ocsp", "tla-pdt", "tla-pki", "tla-relay"}

// head explains the file; %[1]s is the program, %[2]q its configuration.
const head = `# The flows of %[1]s, whose configuration is %[2]q; all else is refused, in both directions (C1, DL1).
# nft -f FILE loads it, at once or not at all, and once more after a change. Other programs of tlagate on this machine
# have files of their own for the same table. What else this machine needs, administration for one, belongs into its
# chains input_local and output_local, which no such file empties.
`

// unresolved explains rules without addresses.
const unresolved = `# Made without --resolve: where the configuration has a host's name, its port is open to any address.
`

// core is the part that is the same for all programs. ICMP is what RFC 4890 section 4.4 says must not be dropped, and
// what RFC 1191 needs.
const core = `	chain icmp_needed {
		icmp type { destination-unreachable, time-exceeded, parameter-problem } accept
		icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept
		icmpv6 type { echo-request, echo-reply } accept
		icmpv6 type { nd-router-solicit, nd-router-advert } ip6 hoplimit 255 accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept
		icmpv6 type { ind-neighbor-solicit, ind-neighbor-advert, 148, 149 } ip6 hoplimit 255 accept
		icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept
		icmpv6 type { 151, 152, 153 } ip6 hoplimit 1 accept
	}
`

// addresses looks the names up that flows have; nil = they stay unknown.
func (c Command) addresses(ctx context.Context, list []Flow) (map[string][]netip.Addr, error) {
	if !c.Resolve {
		return nil, nil
	}
	names := map[string][]netip.Addr{}
	for _, name := range namesIn(list) {
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		if err != nil {
			return nil, fmt.Errorf("cannot look up %s: %w; without --resolve, its port is open to any address", name,
				err)
		}
		for _, ip := range found {
			names[name] = append(names[name], ip.Unmap().WithZone(""))
		}
		slices.SortFunc(names[name], netip.Addr.Compare)
		names[name] = slices.Compact(names[name])
	}
	return names, nil
}

// namesIn returns the names that rules need.
func namesIn(list []Flow) (names []string) {
	for _, f := range list {
		for _, end := range []string{f.Source, f.Destination} {
			if f.Direction != Local && isName(end) && !slices.Contains(names, end) {
				names = append(names, end)
			}
		}
	}
	return names
}

// rules writes the packet filter; names is nil if they stay unknown.
type rules struct {
	strings.Builder
	*List
	names map[string][]netip.Addr
}

func ruleset(out io.Writer, file string, l *List, names map[string][]netip.Addr) error {
	r := &rules{List: l, names: names}
	fmt.Fprintf(r, head, l.Program, file)
	if names == nil && len(namesIn(l.Flows)) > 0 {
		r.WriteString(unresolved)
	}
	r.declare()
	r.WriteString("\ntable inet tlagate {\n" + core)
	r.base("input", "iif")
	r.base("output", "oif")
	r.own("input", In)
	r.own("output", Out)
	r.WriteString("}\n")
	_, err := io.WriteString(out, r.String())
	return err
}

// declare makes what the rules name, and empties what this file fills.
func (r *rules) declare() {
	r.WriteString("\ntable inet tlagate {\n\tchain icmp_needed { }\n")
	for _, hook := range []string{"input", "output"} {
		fmt.Fprintf(r, "\tchain %s { type filter hook %[1]s priority filter; policy drop; }\n", hook)
		fmt.Fprintf(r, "\tchain %s_local { }\n", hook)
		for _, p := range programs {
			fmt.Fprintf(r, "\tchain %s_%s { }\n", hook, p)
		}
	}
	empty := []string{"chain inet tlagate icmp_needed", "chain inet tlagate input", "chain inet tlagate output",
		"chain inet tlagate input_" + r.Program, "chain inet tlagate output_" + r.Program}
	for _, name := range namesIn(r.Flows) {
		for _, family := range r.families() {
			fmt.Fprintf(r, "\tset %s { type %s; }\n", r.set(name, family), family.kind)
			empty = append(empty, "set inet tlagate "+r.set(name, family))
		}
	}
	r.WriteString("}\n")
	for _, e := range empty {
		r.WriteString("flush " + e + "\n")
	}
	r.fill()
}

// family is IPv4 or IPv6, as rules call them.
type family struct {
	word, short, kind string
	has               func(netip.Addr) bool
}

var (
	ipv4 = family{"ip", "v4", "ipv4_addr", netip.Addr.Is4}
	ipv6 = family{"ip6", "v6", "ipv6_addr", netip.Addr.Is6}
)

// families are those of sets; there are none for names that stay unknown.
func (r *rules) families() []family {
	if r.names == nil {
		return nil
	}
	return []family{ipv4, ipv6}
}

// set names the set of a name's addresses.
func (r *rules) set(name string, f family) string { return r.Program + "." + name + "." + f.short }

// fill puts the addresses of names into their sets.
func (r *rules) fill() {
	for _, name := range namesIn(r.Flows) {
		for _, f := range r.families() {
			var found []string
			for _, ip := range r.names[name] {
				if f.has(ip) {
					found = append(found, ip.String())
				}
			}
			if found != nil {
				fmt.Fprintf(r, "add element inet tlagate %s { %s }\n", r.set(name, f), strings.Join(found, ", "))
			}
		}
	}
}

// base writes the chain that all packets pass.
func (r *rules) base(hook, loopback string) {
	fmt.Fprintf(r, "\tchain %s {\n\t\t%s \"lo\" accept\n", hook, loopback)
	r.WriteString("\t\tct state established accept\n\t\tjump icmp_needed\n")
	for _, p := range append([]string{"local"}, programs...) {
		fmt.Fprintf(r, "\t\tjump %s_%s\n", hook, p)
	}
	r.WriteString("\t\tcounter comment \"refused\"\n\t}\n")
}

// own writes the program's own chain. Settings that name the same flow have one rule.
func (r *rules) own(hook string, d Direction) {
	fmt.Fprintf(r, "\tchain %s_%s {\n", hook, r.Program)
	written := map[string]bool{}
	for _, f := range r.Flows {
		for _, ends := range r.ends(f) {
			rule := fmt.Sprintf("%s%s dport %d accept", ends, f.Protocol, f.Port)
			if f.Direction == d && !written[rule] {
				fmt.Fprintf(r, "\t\t%s comment %q\n", rule, note(f))
				written[rule] = true
			}
		}
	}
	r.WriteString("\t}\n")
}

// longestNote is what nftables takes.
const longestNote = 127

func note(f Flow) string {
	text := f.Code + ": " + f.Purpose
	return text[:min(len(text), longestNote)]
}

// ends returns what rules for a flow say of its ends; a rule is of one family.
func (r *rules) ends(f Flow) (all []string) {
	for _, from := range r.matches("saddr", f.Source) {
		for _, to := range r.matches("daddr", f.Destination) {
			if from.word == "" || to.word == "" || from.word == to.word {
				all = append(all, from.text+to.text)
			}
		}
	}
	return all
}

// match is a part of a rule; its word is empty if it is of either family.
type match struct{ word, text string }

func (r *rules) matches(side, end string) (all []match) {
	if end == Here || end == Anywhere || isName(end) && r.names == nil {
		return []match{{}}
	}
	if !isName(end) {
		return []match{literal(side, end)}
	}
	for _, f := range r.families() {
		all = append(all, match{f.word, fmt.Sprintf("%s %s @%s ", f.word, side, r.set(end, f))})
	}
	return all
}

// literal matches an address or a network.
func literal(side, end string) match {
	word := ipv4.word
	if strings.Contains(end, ":") {
		word = ipv6.word
	}
	return match{word, fmt.Sprintf("%s %s %s ", word, side, end)}
}
