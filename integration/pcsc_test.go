package integration

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ebfe/scard"
	"github.com/stretchr/testify/require"

	"tlagate/integration/world"
)

// pcscClientEnv makes this test binary an ordinary PC/SC program. libpcsclite reads the socket's name once in a
// process, so a test that must stay connected to a card between steps has a process for it.
const pcscClientEnv = "TLAGATE_PCSC_CLIENT"

// pcscClient is a PC/SC program that is connected to one card.
type pcscClient struct {
	t    testing.TB
	in   io.Writer
	r    *bufio.Reader
	kill func()
}

// startClient starts a PC/SC program on p's pcscd.
func startClient(t testing.TB, p *world.PCSCD) *pcscClient {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), p.Env()...), pcscClientEnv+"=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	kill := func() { _ = cmd.Process.Kill() }
	t.Cleanup(func() {
		in.Close()
		defer time.AfterFunc(patience, kill).Stop()
		_ = cmd.Wait()
	})
	return &pcscClient{t, in, bufio.NewReader(out), kill}
}

// do returns the answer to one line: "ok …" or "error CODE".
func (c *pcscClient) do(line string) string {
	c.t.Helper()
	c.ask(line)
	return c.answer()
}

// ask sends a line, and answer waits for the answer.
func (c *pcscClient) ask(line string) {
	c.t.Helper()
	_, err := fmt.Fprintln(c.in, line)
	require.NoError(c.t, err)
}

func (c *pcscClient) answer() string {
	c.t.Helper()
	defer time.AfterFunc(patience, c.kill).Stop()
	answer, err := c.r.ReadString('\n')
	require.NoError(c.t, err, "the program waits longer than %v", patience)
	return strings.TrimSpace(answer)
}

// transmit sends a command APDU in hex and returns the response in upper-case hex, or "error CODE".
func (c *pcscClient) transmit(apdu string) string {
	c.t.Helper()
	return strings.TrimPrefix(c.do("transmit "+apdu), "ok ")
}

// runPCSCClient is the program: connect READER, transmit HEX, begin and end a transaction, reset, disconnect; control
// CODE HEX and attrib ID, both in hex; times N HEX, which transmits it N times; seen and gone READER, which wait for a
// card to be there or not, and events READER, how often one came or went.
func runPCSCClient(in io.Reader, out io.Writer) error {
	ctx, err := scard.EstablishContext()
	if err != nil {
		return err
	}
	defer ctx.Release()
	p := &pcscProgram{ctx: ctx}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		verb, arg, _ := strings.Cut(lines.Text(), " ")
		answer, err := p.run(verb, arg)
		if code, ok := err.(scard.Error); ok {
			answer = fmt.Sprintf("error %08X", uint32(code))
		} else if err != nil {
			return err
		}
		fmt.Fprintln(out, answer)
	}
	return nil
}

type pcscProgram struct {
	ctx  *scard.Context
	card *scard.Card
}

func (p *pcscProgram) run(verb, arg string) (answer string, err error) {
	switch verb {
	case "connect":
		p.card, err = p.ctx.Connect(arg, scard.ShareShared, scard.ProtocolAny)
		return "ok", err
	case "transmit":
		apdu, err := hex.DecodeString(arg)
		if err != nil {
			return "", err
		}
		response, err := p.card.Transmit(apdu)
		return fmt.Sprintf("ok %X", response), err
	case "times":
		return p.times(arg)
	case "control":
		return p.control(arg)
	case "attrib":
		id, err := strconv.ParseUint(arg, 16, 32)
		if err != nil {
			return "", err
		}
		value, err := p.card.GetAttrib(scard.Attrib(id))
		return fmt.Sprintf("ok %X", value), err
	case "seen":
		_, err := p.look(arg, scard.StateEmpty)
		return "ok", err
	case "gone":
		_, err := p.look(arg, scard.StatePresent)
		return "ok", err
	case "events":
		state, err := p.look(arg, scard.StateUnaware)
		return fmt.Sprintf("ok %d", state>>16), err
	case "begin":
		return "ok", p.card.BeginTransaction()
	case "end":
		return "ok", p.card.EndTransaction(scard.LeaveCard)
	case "reset":
		return "ok", p.card.Reconnect(scard.ShareShared, scard.ProtocolAny, scard.ResetCard)
	case "unpower":
		return "ok", p.card.Reconnect(scard.ShareShared, scard.ProtocolAny, scard.UnpowerCard)
	case "disconnect":
		return "ok", p.card.Disconnect(scard.LeaveCard)
	}
	return "", fmt.Errorf("cannot understand %q", verb)
}

// times transmits a command a number of times.
func (p *pcscProgram) times(arg string) (string, error) {
	number, command, _ := strings.Cut(arg, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return "", err
	}
	apdu, err := hex.DecodeString(command)
	for i := 0; i < n && err == nil; i++ {
		_, err = p.card.Transmit(apdu)
	}
	return "ok", err
}

// control asks the reader, over a connection of its own if there is no card.
func (p *pcscProgram) control(arg string) (string, error) {
	code, data, _ := strings.Cut(arg, " ")
	n, err := strconv.ParseUint(code, 16, 32)
	if err != nil {
		return "", err
	}
	in, err := hex.DecodeString(data)
	if err != nil {
		return "", err
	}
	out, err := p.card.Control(uint32(n), in)
	return fmt.Sprintf("ok %X", out), err
}

// look returns the state of a reader once it is another one than known.
func (p *pcscProgram) look(reader string, known scard.StateFlag) (scard.StateFlag, error) {
	state := []scard.ReaderState{{Reader: reader, CurrentState: known}}
	err := p.ctx.GetStatusChange(state, patience)
	return state[0].EventState, err
}
