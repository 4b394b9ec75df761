package integration

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/world"
)

// flow is a line of `flows --json`.
type flow struct {
	Allowed     bool
	Direction   string
	Source      string
	Destination string
	Port        int
	Protocol    string
	Key         string
}

// flowsOf are the commands that list the flows of each machine of docs/setup.md.
var flowsOf = map[string][]string{
	"pki": {"tla-pki flows --config /etc/tlagate/pki.yaml --json", "tla-ocsp flows --json"},
	"gw1": {"tla-gateway flows --json"}, "bureau": {"tla-pdt flows --json"},
	"valise": {"tla-relay flows --dhcp --json"},
}

// typicalPorts are tried in both directions, over TCP and UDP: those of our flows, and what machines often offer.
var typicalPorts = []int{21, 22, 23, 25, 53, 67, 68, 80, 111, 123, 137, 139, 161, 389, 443, 445, 514, 631, 1883, 2049,
	3306, 3389, 4433, 5353, 5432, 5900, 6379, 6514, 8000, 8080, 8081, 8443, 8444, 8445, 8446, 9464, 9465, 35965, 51820}

// otherProtocols are tried, too: ICMP (echo), GRE, ESP, SCTP.
var otherProtocols = []int{1, 47, 50, 132}

// TestC1FlowsListedPassAndNoOthers (C1, DL1): the machines of docs/setup.md, each with the packet filter that its
// programs make of their configurations. A session works, each flow that they list passes, and every other port,
// protocol and direction that is tried is refused.
func TestC1FlowsListedPassAndNoOthers(t *testing.T) {
	r := newReader(t, "build", "pki", "gw1", "bureau", "valise")
	r.read("docs/setup.md")
	f := &filtered{reader: r, world: r.bridge(), lists: map[string][]flow{}}
	for name := range flowsOf {
		f.learn(name)
	}
	f.startAnew()
	f.listedPass()
	for name := range flowsOf {
		f.nothingElseComesIn(name)
		f.nothingElseGoesOut(name)
	}
	r.readsTheVitale() // the session goes on
}

// filtered are machines with their packet filters; the world is a stranger on their network.
type filtered struct {
	*reader
	world string // its address
	lists map[string][]flow
}

// bridge returns the world's address on the machines' network.
func (r *reader) bridge() string {
	addr := netip.MustParseAddr(r.all.Machine("pki").Addr).As4()
	addr[3] = 254
	return netip.AddrFrom4(addr).String()
}

// learn asks the programs of a machine for their flows.
func (f *filtered) learn(name string) {
	for _, command := range flowsOf[name] {
		var said struct{ Flows []flow }
		require.NoError(f.t, json.Unmarshal([]byte(f.on(name, command)), &said))
		require.Greater(f.t, len(said.Flows), 3)
		f.lists[name] = append(f.lists[name], said.Flows...)
	}
}

func (f *filtered) on(name, script string) string {
	out, err := f.all.Machine(name).Run(blockTime, "", "sh", "-ec", script)
	require.NoError(f.t, err)
	return out
}

// startAnew has all connections made with the filters in force.
func (f *filtered) startAnew() {
	f.meanwhile("valise", "runuser -u dominique -- tla-relay stop")
	for _, one := range []struct{ machine, program string }{{"pki", "tla-pki"}, {"pki", "tla-ocsp"},
		{"gw1", "tla-gateway"}, {"bureau", "tla-pdt"}} {
		f.meanwhile(one.machine, "systemctl restart "+one.program)
	}
	f.meanwhile("valise", "runuser -u dominique -- tla-relay start --pdt bureau")
	f.readsTheVitale()
}

// listedPass makes a connection of each flow that is listed.
func (f *filtered) listedPass() {
	seen := map[string]int{}
	for name, list := range f.lists {
		for _, one := range list {
			if !one.Allowed {
				continue
			}
			seen[one.Direction]++
			switch {
			case one.Direction == "in" && one.Protocol == "tcp":
				f.connects(one.Port, f.all.Machine(name).Addr)
			case one.Direction == "in": // DHCP, at which nothing listens here
			case one.Destination == "any host":
				f.reachesTheWorld(name, one)
			default:
				f.connectsFrom(name, one.Destination, one.Port)
			}
		}
	}
	require.Len(f.t, seen, 3, "%v", seen)
}

func (f *filtered) connects(port int, host string) {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, strconv.Itoa(port)), patience)
	require.NoError(f.t, err)
	require.NoError(f.t, conn.Close())
}

// connectsFrom has a machine connect.
func (f *filtered) connectsFrom(name, host string, port int) {
	f.on(name, fmt.Sprintf("exec python3 -c 'import socket; socket.create_connection((%q, %d))'", host, port))
}

// reachesTheWorld has a machine send over a flow to any host, of which the world is one.
func (f *filtered) reachesTheWorld(name string, one flow) {
	here := net.JoinHostPort(f.world, strconv.Itoa(one.Port))
	if one.Protocol == "tcp" {
		in, err := net.Listen("tcp", here)
		require.NoError(f.t, err)
		defer in.Close()
		f.connectsFrom(name, f.world, one.Port)
		return
	}
	in, err := net.ListenPacket("udp", here)
	require.NoError(f.t, err)
	defer in.Close()
	require.NoError(f.t, in.SetReadDeadline(time.Now().Add(patience)))
	f.try(name, []string{f.world}, []int{one.Port}, []string{"udp"}, nil)
	_, _, err = in.ReadFrom(make([]byte, 64))
	require.NoError(f.t, err, "%s, UDP port %d", name, one.Port)
}

// knock tries from a machine, without waiting for an answer: a packet is filtered before the call returns.
const knock = `
import socket, sys
hosts, ports, protocols, others = [a.split(",") if a else [] for a in sys.argv[1:]]
kept = []
def send(s, to, data):
    kept.append(s)
    s.setblocking(False)
    try:
        s.connect(to)
        if data: s.send(data)
    except OSError: pass
for host in hosts:
    for port in ports:
        if "tcp" in protocols: send(socket.socket(socket.AF_INET, socket.SOCK_STREAM), (host, int(port)), b"")
        if "udp" in protocols: send(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), (host, int(port)), b"?")
    for other in others:
        send(socket.socket(socket.AF_INET, socket.SOCK_RAW, int(other)), (host, 0), b"\x08\0\xf7\xff" + b"\0" * 8)
`

// try has a machine send to ports of hosts, and packets of other protocols.
func (f *filtered) try(name string, hosts []string, ports []int, protocols []string, others []int) {
	_, err := f.all.Machine(name).Run(blockTime, "", "python3", "-c", knock, strings.Join(hosts, ","), joined(ports),
		strings.Join(protocols, ","), joined(others))
	require.NoError(f.t, err)
}

func joined(numbers []int) string {
	var all []string
	for _, n := range numbers {
		all = append(all, strconv.Itoa(n))
	}
	return strings.Join(all, ",")
}

// tried is one thing that is tried: its packets are counted once no rule has taken them, where they are dropped.
type tried struct {
	match string // as a rule says it
	name  string
}

// triedAt returns what is tried at a host, but for the flows that are allowed.
func triedAt(host string, allowed func(protocol string, port int) bool) (all []tried) {
	for _, protocol := range []string{"tcp", "udp"} {
		for _, port := range typicalPorts {
			if !allowed(protocol, port) {
				all = append(all, tried{fmt.Sprintf("ip daddr %s %s dport %d", host, protocol, port),
					fmt.Sprintf("%s %s %d", host, protocol, port)})
			}
		}
	}
	for _, protocol := range otherProtocols {
		all = append(all, tried{fmt.Sprintf("ip daddr %s ip protocol %d", host, protocol),
			fmt.Sprintf("%s protocol %d", host, protocol)})
	}
	return all
}

// nothingElseComesIn: a stranger's packets, but for those that the machine lists, are dropped.
func (f *filtered) nothingElseComesIn(name string) {
	own := f.all.Machine(name).Addr
	f.dropped(name, "input", triedAt(own, func(protocol string, port int) bool {
		return slices.ContainsFunc(f.lists[name], func(one flow) bool {
			return one.Allowed && one.Direction == "in" && one.Protocol == protocol && one.Port == port
		})
	}), func() {
		_, err := world.Run(patience, nil, "python3", "-c", knock, own, joined(typicalPorts), "tcp,udp",
			joined(otherProtocols))
		require.NoError(f.t, err)
	})
}

// nothingElseGoesOut: what the machine sends to a stranger or to the other machines, but for what it lists, is dropped.
func (f *filtered) nothingElseGoesOut(name string) {
	hosts := []string{f.world}
	for peer := range flowsOf {
		if peer != name {
			hosts = append(hosts, f.all.Machine(peer).Addr)
		}
	}
	var all []tried
	for _, host := range hosts {
		all = append(all, triedAt(host, func(protocol string, port int) bool {
			return slices.ContainsFunc(f.lists[name], func(one flow) bool {
				return one.Allowed && one.Direction == "out" && one.Protocol == protocol && one.Port == port &&
					(one.Destination == "any host" || f.address(one.Destination) == host)
			})
		})...)
	}
	f.dropped(name, "output", all, func() {
		f.try(name, hosts, typicalPorts, []string{"tcp", "udp"}, otherProtocols)
	})
}

// address returns that of a machine by its name in the documents.
func (f *filtered) address(name string) string {
	first, _, _ := strings.Cut(name, ".")
	if m := f.all.Machine(first); m != nil {
		return m.Addr
	}
	return ""
}

// dropped counts, behind all rules of a machine's chain, what its policy drops, while act sends it.
func (f *filtered) dropped(name, chain string, all []tried, act func()) {
	require.Greater(f.t, len(all), len(typicalPorts))
	require.Contains(f.t, f.counted(name, chain), "policy drop")
	var counters strings.Builder
	for i, one := range all {
		fmt.Fprintf(&counters, "add rule inet tlagate %s %s counter comment \"tried %d\"\n", chain, one.match, i)
	}
	require.NoError(f.t, os.WriteFile(f.all.Machine(name).Path("/tmp/counters.nft"), []byte(counters.String()), 0o600))
	f.meanwhile(name, "nft -f /tmp/counters.nft")
	act()
	require.NoError(f.t, world.Poll(patience, "all to be dropped", func() error {
		return undropped(all, f.counted(name, chain))
	}))
}

func (f *filtered) counted(name, chain string) string {
	return f.on(name, "nft list chain inet tlagate "+chain)
}

var triedCounter = regexp.MustCompile(`counter packets (\d+) bytes \d+ comment "tried (\d+)"`)

// undropped returns an error that names what was not counted.
func undropped(all []tried, listed string) error {
	left := map[int]bool{}
	for i := range all {
		left[i] = true
	}
	for _, m := range triedCounter.FindAllStringSubmatch(listed, -1) {
		if i, err := strconv.Atoi(m[2]); err == nil && m[1] != "0" {
			delete(left, i)
		}
	}
	for i := range left {
		return fmt.Errorf("%d of %d were not dropped, one of them: %s", len(left), len(all), all[i].name)
	}
	return nil
}

// TestC1FlowsOfTheExamplesAreAFilter: nft takes what each program makes of its example, twice and beside the others',
// whether or not the machine has an address by DHCP.
func TestC1FlowsOfTheExamplesAreAFilter(t *testing.T) {
	t.Parallel()
	root, err := world.ModuleRoot()
	require.NoError(t, err)
	dir := t.TempDir()
	var files []string
	for _, name := range []string{"gateway", "ocsp", "pdt", "pki", "relay"} {
		program, err := world.Binary("tla-" + name)
		require.NoError(t, err)
		for i, more := range [][]string{nil, {"--dhcp", "--dns", "192.0.2.53,2001:db8::53", "--ntp", "192.0.2.123"}} {
			args := append([]string{"flows", "--nft", "--config", filepath.Join(root, "deploy/examples", name+".yaml")},
				more...)
			out, err := world.Run(patience, nil, program, args...)
			require.NoError(t, err)
			file := filepath.Join(dir, fmt.Sprintf("%s-%d.nft", name, i))
			require.NoError(t, os.WriteFile(file, []byte(out), 0o600))
			_, err = world.Type(patience, out, nil, "nft", "-c", "-f", "-")
			require.NoError(t, err, file)
			files = append(files, file)
		}
	}
	script := `for file; do nft -f "$file"; done; nft list table inet tlagate >"$0"; for file; do nft -f "$file"; done
		nft list table inet tlagate | diff "$0" -; nft list chain inet tlagate input_tla-pki | grep 'dport 8445'`
	_, err = world.Run(patience, nil, "unshare", append([]string{"--net", "sh", "-ec", script,
		filepath.Join(dir, "listed")}, files...)...)
	require.NoError(t, err)
}
