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
	in   io.WriteCloser
	r    *bufio.Reader
	kill func()
}

// close lets the program end.
func (c *pcscClient) close() { _ = c.in.Close() }

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

// runPCSCClient is the program: it does what each line says (pcscVerbs).
func runPCSCClient(in io.Reader, out io.Writer) error {
	ctx, err := scard.EstablishContext()
	if err != nil {
		return err
	}
	defer ctx.Release()
	p := &pcscProgram{ctx: ctx, card: new(scard.Card)}
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
	ctx    *scard.Context
	card   *scard.Card
	reader string // for open and watch
}

func (p *pcscProgram) run(verb, arg string) (answer string, err error) {
	defer func() {
		if why := recover(); why != nil { // of package scard, for a card without a protocol for example
			answer, err = fmt.Sprint("ok no call: ", why), nil
		}
	}()
	do, ok := pcscVerbs[verb]
	if !ok {
		return "", fmt.Errorf("cannot understand %q", verb)
	}
	return do(p, strings.Fields(arg), arg)
}

// pcscVerbs are the lines that the program understands; words are those behind the verb, text all of them.
var pcscVerbs = map[string]func(p *pcscProgram, words []string, text string) (answer string, err error){
	"connect": func(p *pcscProgram, _ []string, reader string) (_ string, err error) {
		p.reader = reader
		p.card, err = p.ctx.Connect(reader, scard.ShareShared, scard.ProtocolAny)
		return "ok", err
	},
	"transmit": func(p *pcscProgram, _ []string, text string) (string, error) {
		apdu, err := hex.DecodeString(text)
		if err != nil {
			return "", err
		}
		response, err := p.card.Transmit(apdu)
		return fmt.Sprintf("ok %X", response), err
	},
	"begin": func(p *pcscProgram, _ []string, _ string) (string, error) { return "ok", p.card.BeginTransaction() },
	"end": func(p *pcscProgram, w []string, _ string) (string, error) {
		return "ok", p.card.EndTransaction(disposition(w))
	},
	"reset": func(p *pcscProgram, _ []string, _ string) (string, error) {
		return "ok", p.card.Reconnect(scard.ShareShared, scard.ProtocolAny, scard.ResetCard)
	},
	"unpower": func(p *pcscProgram, _ []string, _ string) (string, error) {
		return "ok", p.card.Reconnect(scard.ShareShared, scard.ProtocolAny, scard.UnpowerCard)
	},
	"disconnect": func(p *pcscProgram, w []string, _ string) (string, error) {
		return "ok", p.card.Disconnect(disposition(w))
	},

	// What only the comparison of readers needs.
	"reader": func(p *pcscProgram, _ []string, name string) (string, error) { p.reader = name; return "ok", nil },
	"open": func(p *pcscProgram, w []string, _ string) (string, error) {
		card, err := p.ctx.Connect(p.reader, shareModes[w[0]], protocols[w[1]])
		if err != nil {
			return "", err
		}
		p.card = card
		return fmt.Sprint("ok protocol ", p.card.ActiveProtocol()), nil
	},
	"reconnect": func(p *pcscProgram, w []string, _ string) (string, error) {
		return "ok", p.card.Reconnect(shareModes[w[0]], protocols[w[1]], disposition(w[2:]))
	},
	"status": func(p *pcscProgram, _ []string, _ string) (string, error) {
		s, err := p.card.Status()
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("ok state %02x protocol %d ATR %X", uint32(s.State), s.ActiveProtocol, s.Atr), nil
	},
	"times":   func(p *pcscProgram, _ []string, text string) (string, error) { return p.times(text) },
	"control": func(p *pcscProgram, _ []string, text string) (string, error) { return p.control(text) },
	"attrib": func(p *pcscProgram, _ []string, text string) (string, error) {
		id, err := strconv.ParseUint(text, 16, 32)
		if err != nil {
			return "", err
		}
		value, err := p.card.GetAttrib(scard.Attrib(id))
		return fmt.Sprintf("ok %X", value), err
	},
	"seen": func(p *pcscProgram, _ []string, reader string) (string, error) {
		_, err := p.look(reader, scard.StateEmpty)
		return "ok", err
	},
	"gone": func(p *pcscProgram, _ []string, reader string) (string, error) {
		_, err := p.look(reader, scard.StatePresent)
		return "ok", err
	},
	"events": func(p *pcscProgram, _ []string, reader string) (string, error) {
		state, err := p.look(reader, scard.StateUnaware)
		return fmt.Sprintf("ok %d", state>>16), err
	},
	"watch":  func(p *pcscProgram, w []string, _ string) (string, error) { return p.watch(w) },
	"cancel": func(p *pcscProgram, _ []string, _ string) (string, error) { return p.cancel() },
}

var (
	shareModes = map[string]scard.ShareMode{"shared": scard.ShareShared, "exclusive": scard.ShareExclusive,
		"direct": scard.ShareDirect}
	protocols = map[string]scard.Protocol{"any": scard.ProtocolAny, "T0": scard.ProtocolT0, "T1": scard.ProtocolT1,
		"none": scard.ProtocolUndefined}
	dispositions = map[string]scard.Disposition{"leave": scard.LeaveCard, "reset": scard.ResetCard,
		"unpower": scard.UnpowerCard, "eject": scard.EjectCard}
)

func disposition(words []string) scard.Disposition {
	if len(words) == 0 {
		return scard.LeaveCard
	}
	return dispositions[words[0]]
}

// watch waits for a change of the reader, at most so many milliseconds, and returns what it is then. The state that it
// starts from is the one that it finds, with "unaware" none.
func (p *pcscProgram) watch(w []string) (string, error) {
	limit, err := strconv.Atoi(w[0])
	if err != nil {
		return "", err
	}
	states := []scard.ReaderState{{Reader: p.reader, CurrentState: scard.StateUnaware}}
	if len(w) == 1 {
		if err := p.ctx.GetStatusChange(states, 0); err != nil {
			return "", err
		}
		states[0].CurrentState = states[0].EventState &^ scard.StateChanged
	}
	if err := p.ctx.GetStatusChange(states, time.Duration(limit)*time.Millisecond); err != nil {
		return "", err
	}
	return fmt.Sprintf("ok state %04x", uint32(states[0].EventState)&0xFFFF), nil
}

// cancel ends a wait for a change. A cancel that comes before the wait has no effect, so it is repeated.
func (p *pcscProgram) cancel() (string, error) {
	done := make(chan error, 1)
	go func() {
		states := []scard.ReaderState{{Reader: p.reader}}
		err := p.ctx.GetStatusChange(states, 0)
		states[0].CurrentState = states[0].EventState
		for err == nil { // a change of somebody else's
			err = p.ctx.GetStatusChange(states, time.Minute)
			states[0].CurrentState = states[0].EventState
		}
		done <- err
	}()
	for {
		select {
		case err := <-done:
			return "", err
		case <-time.After(10 * time.Millisecond):
			_ = p.ctx.Cancel() // it fails while nothing waits: not yet, or no more
		}
	}
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
