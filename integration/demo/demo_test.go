package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"tlagate/integration/lab"
)

// TestC4SocketsAreSeen: the demo sees every kind of socket that a process may have.
func TestC4SocketsAreSeen(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	conn, err := net.Dial("tcp4", listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	packets, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer packets.Close()
	path := filepath.Join(t.TempDir(), "s")
	local, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer local.Close()

	all, err := socketsOf(os.Getpid())
	require.NoError(t, err)
	require.Contains(t, all, socket{Kind: "tcp", Listen: true, Local: listener.Addr().String()})
	require.Contains(t, all, socket{Kind: "tcp", Local: conn.LocalAddr().String(), Remote: listener.Addr().String()})
	require.Contains(t, all, socket{Kind: "udp", Local: packets.LocalAddr().String()})
	require.Contains(t, all, socket{Kind: "unix", Listen: true, Local: path})
	require.True(t, listens(all))
	require.Subset(t, overNetwork(all), []socket{{Kind: "udp", Local: packets.LocalAddr().String()}})
	require.NotContains(t, overNetwork(all), socket{Kind: "unix", Listen: true, Local: path})
}

func TestC4SocketsToTheKernelAreNamed(t *testing.T) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})) // before, no table has it
	all, err := socketsOf(os.Getpid())
	require.NoError(t, err)
	require.Contains(t, all, socket{Kind: "netlink"})
	require.NotContains(t, overNetwork(all), socket{Kind: "netlink"})
	require.Contains(t, describe(all), "netlink socket")
	require.NotContains(t, describe(all), "unknown kind")
}

// TestTheDemoBuildsAsMakeDoes: otherwise make build, the next step of a newcomer, compiles everything once more.
func TestTheDemoBuildsAsMakeDoes(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	flags := strings.Join(buildFlags, " ")
	for _, line := range []string{"\t$(GO) build " + flags + " -o bin/ ./cmd/...",
		"\t@deploy/compile.sh " + flags + " ./cmd/... ./integration/demo",
		"\t$(GO) run " + flags + " ./integration/demo"} {
		require.Contains(t, string(makefile), line+"\n")
	}
}

// TestTheDemoSaysWhosePolicyItHas: with the built-in one, the programs of two of its steps would fail.
func TestTheDemoSaysWhosePolicyItHas(t *testing.T) {
	for _, s := range inside {
		if s.title == "Read the CPS card" || s.title == "Ask for too much" {
			require.Contains(t, s.sentence, "PIV card")
			require.Contains(t, s.sentence, "built-in")
		}
	}
}

func TestC4UnknownSocketsCountAsNetwork(t *testing.T) {
	require.True(t, socket{}.network())
	require.False(t, socket{Kind: "unix"}.network())
}

func TestC4IPv6SocketsAreSeen(t *testing.T) {
	listener, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here:", err)
	}
	defer listener.Close()
	all, err := socketsOf(os.Getpid())
	require.NoError(t, err)
	require.Contains(t, all, socket{Kind: "tcp6", Listen: true, Local: listener.Addr().String()})
}

func TestCards(t *testing.T) {
	list := "# Detected readers (pcsc)\nNr.  Card  Features  Name\n" +
		"0    Yes             " + lab.PdTReaders[0] + "\n1    No    PIN pad   " + lab.PdTReaders[1] + "\n"
	require.Equal(t, present{vitale: true}, cards(list))
	require.Equal(t, present{}, cards("No smart card readers found.\n"))
}

func TestFileOf(t *testing.T) {
	file, err := fileOf([]string{"9000", "41429000", "439000"})
	require.NoError(t, err)
	require.Equal(t, "ABC", string(file))
	_, err = fileOf([]string{"9000", "6A82"})
	require.ErrorContains(t, err, "command 2 with 6A82")
}

func TestLongLinesAreFolded(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out, width: 40}
	s.command("ca", "tla-pki", []string{"issue", "--identity", "urn:tlagate:p:tla:n", "--new-key", "--name",
		"two words"})
	require.Equal(t,
		"   ca$  tla-pki issue \\\n          --identity urn:tlagate:p:tla:n \\\n          --new-key --name 'two "+
			"words'\n", out.String())
	out.Reset()
	s.output("  short   columns\nand a line that is too long for this narrow screen\n")
	require.Equal(t, "       short   columns\n     and a line that is too long for\n       this narrow screen\n",
		out.String())
}
