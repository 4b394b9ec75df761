package doctor

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// config returns an entry of reader.conf.
func config(name, lib string, port int) string {
	return fmt.Sprintf("# virtual\nFRIENDLYNAME \"%s\"\nDEVICENAME   /dev/null:0x%04X\nLIBPATH\t%s\nCHANNELID "+
		"0x%04X\n\n", name, port, lib, port)
}

func TestDriverEntries(t *testing.T) {
	many := ""
	for i := range 9 {
		many += config(fmt.Sprintf("R%d", i), fmt.Sprintf("/l/libifdvpcd%d.so", i), 35963+2*i)
	}
	for name, c := range map[string]struct {
		conf string
		want State
		says string
	}{
		"Debian's": {config("Virtual PCD", "/usr/lib/libifdvpcd.so", 35963), OK, "Virtual PCD"},
		"copies": {config("A", "/l/libifdvpcd.so", 35963) + config("B", "/l/libifdvpcd2.so", 35965), OK,
			"2 virtual entries"},
		"the same .so": {config("A", "/l/libifdvpcd.so", 35963) + config("B", "/l/libifdvpcd.so", 35965), Failure,
			`"A" and "B" share`},
		"too many":        {many, Failure, "18 readers"},
		"none":            {config("GemPC", "/l/libccidtwin.so", 1), Failure, "no virtual reader"},
		"of another port": {config("A", "/l/libifdvpcd.so", 35965), Failure, "no virtual entry has port 35963"},
	} {
		s := machine(t, files{"etc/reader.conf.d/vpcd": c.conf})
		got := Driver{System: s, Port: 35963}.entries()
		require.Equal(t, c.want, got.State, "%s: %+v", name, got)
		require.Contains(t, got.Found, c.says, name)
	}
	s := machine(t,
		running(files{"etc/reader.conf.d/vpcd": config("A", "/l/vpcd.so", 1),
			"opt/c/r": config("B", "/l/vpcd.so", 35963)}, "9", "pcscd -f --config /opt/c"))
	require.Equal(t, []string{"B 00 00", "B 00 01"}, Driver{System: s, Port: 35963}.Expected(),
		"the running pcscd says where its configuration is")
}

// listening returns /proc/net/tcp for a driver that listens on an address.
func listening(addr string) files {
	line := " 0: %s:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1\n"
	return files{"proc/net/tcp": "  sl  local_address\n" + fmt.Sprintf(line, addr, 35963) + fmt.Sprintf(line, addr,
		35964)}
}

func with(f files, more files) files {
	for k, v := range more {
		f[k] = v
	}
	return f
}

func onNetwork() ([]net.Addr, error) {
	return []net.Addr{&net.IPNet{IP: net.IPv4(127, 0, 0, 1)}, &net.IPNet{IP: net.IPv4(192, 0, 2, 7)}}, nil
}

const (
	unitFence = "[Service]\nIPAddressDeny=any\nIPAddressAllow=localhost\n"
	nftFence  = `table inet vpcd {
	chain input {
		type filter hook input priority filter; policy accept;
		iif != "lo" tcp dport 35963-35964 drop
	}
	chain output {
		type filter hook output priority filter; policy accept;
		oif "lo" tcp dport { 35963, 35964 } meta skuid != 998 reject
	}
}
`
	iptablesFence = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT ! -i lo -p tcp -m tcp --dport 35963:35964 -j DROP\n-A " +
		"OUTPUT -p tcp -m multiport --dports 35963,35964 -m owner ! --uid-owner 998 -j REJECT\nCOMMIT\n"
)

func TestDriverFromOutside(t *testing.T) {
	closed := strings.Replace(nftFence,
		"hook input priority filter; policy accept;\n\t\tiif != \"lo\" tcp dport 35963-35964 drop",
		"hook input priority filter; policy drop;\n\t\tiif \"lo\" accept\n\t\ttcp dport 22 accept", 1)
	for name, c := range map[string]struct {
		on    files
		rules string
		want  State
	}{
		"open":           {listening("00000000"), "", Failure},
		"an own address": {listening("070200C0"), "", Failure},
		"loopback":       {listening("0100007F"), "", OK},
		"not at all":     {files{"proc/net/tcp": "sl\n"}, "", Unknown},
		"the unit's fence": {with(listening("00000000"),
			files{"etc/systemd/system/pcscd.service.d/f.conf": unitFence}), "", OK},
		"the unit lets the network in": {with(listening("00000000"),
			files{"etc/systemd/system/pcscd.service.d/f.conf": unitFence + "IPAddressAllow=192.0.2.0/24\n"}), "",
			Failure},
		"a pcscd that is not the unit's": {running(with(listening("00000000"),
			files{"etc/systemd/system/pcscd.service.d/f.conf": unitFence}), "9", "pcscd -f", "cgroup",
			"0::/user.slice\n"), "", Failure},
		"a pcscd of the unit": {running(with(listening("00000000"),
			files{"etc/systemd/system/pcscd.service.d/f.conf": unitFence}), "9", "pcscd -f", "cgroup",
			"0::/system.slice/pcscd.service\n"), "", OK},
		"nft":                       {listening("00000000"), nftFence, OK},
		"nft that drops by default": {listening("00000000"), closed, OK},
		"nft that drops, but lets this in": {listening("00000000"),
			strings.Replace(closed, "dport 22", "dport 35000-36000", 1), Failure},
		"nft about one port of two": {listening("00000000"), strings.Replace(nftFence, "35963-35964 drop",
			"35963 drop", 1), Failure},
		"nft about others' addresses": {listening("00000000"), strings.Replace(nftFence, `iif != "lo"`,
			"ip saddr 203.0.113.0/24", 1), Failure},
		"nft in another direction": {listening("00000000"),
			strings.Replace(nftFence, "hook input", "hook forward", 1), Failure},
		"iptables": {listening("00000000"), iptablesFence, OK},
		"iptables about another port": {listening("00000000"), strings.Replace(iptablesFence, "35963:35964", "22",
			1), Failure},
	} {
		d := Driver{System: machine(t, c.on), Port: 35963, Addrs: onNetwork, Rules: func() (string, error) {
			return c.rules, nil
		}}
		got := d.outside()
		require.Equal(t, c.want, got.State, "%s: %+v", name, got)
	}
	d := Driver{System: machine(t, listening("00000000")), Port: 35963, Addrs: onNetwork,
		Rules: func() (string, error) { return "", errUnseen }}
	require.Equal(t, Unknown, d.outside().State, "what only root sees is not a failure")
	d.Addrs = func() ([]net.Addr, error) { return []net.Addr{&net.IPNet{IP: net.IPv6loopback}}, nil }
	require.Equal(t, OK, d.outside().State, "there is no outside")
}

func TestDriverFromThisHost(t *testing.T) {
	for name, c := range map[string]struct {
		rules string
		want  State
	}{
		"open": {"", Warning}, "nft": {nftFence, OK}, "iptables": {iptablesFence, OK},
		"for one user, the wrong way round": {strings.Replace(nftFence, "skuid != 998", "skuid 998", 1), Warning},
		"one port of two":                   {strings.Replace(nftFence, "{ 35963, 35964 }", "35963", 1), Warning},
	} {
		d := Driver{System: machine(t, listening("00000000")), Port: 35963, Rules: func() (string, error) {
			return c.rules, nil
		}}
		require.Equal(t, c.want, d.inside().State, name)
	}
}

func TestDriverListens(t *testing.T) {
	require.Equal(t, OK, Driver{System: machine(t, listening("00000000")), Port: 35963}.listens().State)
	require.Equal(t, Failure, Driver{System: machine(t, listening("00000000")), Port: 35964}.listens().State)
	six := files{"proc/net/tcp": "sl\n",
		"proc/net/tcp6": " 0: 00000000000000000000000001000000:8C7B 0:0 0A 0 0 0 0 0 1\n 1: " +
			"00000000000000000000000000000000:8C7C 0:0 0A 0 0 0 0 0 1\n"}
	d := Driver{System: machine(t, six), Port: 35963}
	require.Equal(t, OK, d.listens().State)
	require.Len(t, d.exposed(), 1, "::1 is loopback, :: is not")
}
