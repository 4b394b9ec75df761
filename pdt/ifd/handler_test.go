package ifd

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/session"
)

// TestHandler compiles testdata/harness.c with the driver's parsers, under sanitizers, and runs it.
func TestHandler(t *testing.T) {
	program := harness(t)
	t.Run("vectors", func(t *testing.T) { vectorsInC(t, program) })
	t.Run("fuzz", func(t *testing.T) { fuzzHandler(t, program) })
	t.Run("slow", func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), patience)
		defer stop()
		out, err := exec.CommandContext(ctx, program, "slow").CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Equal(t, "given up\n", string(out))
	})
}

func harness(t *testing.T) string {
	t.Helper()
	return compiled(t, "address,undefined", "testdata/harness.c", "handler/conn.c", "handler/device.c",
		"handler/pinpad.c", "handler/protocol.c")
}

// compiled returns a program of these sources, compiled with sanitizers.
func compiled(t *testing.T, sanitizers string, sources ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	flags, err := exec.Command("pkg-config", "--cflags", "libpcsclite").Output()
	require.NoError(t, err)
	args := append([]string{"-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread",
		"-fsanitize=" + sanitizers, "-fno-sanitize-recover=all", `-DTLAGATE_VERSION="1.2.3"`, "-o", program}, sources...)
	out, err := exec.Command("cc", append(args, strings.Fields(string(flags))...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// vectors returns the frames of testdata/frames.txt in their order.
func vectors(t testing.TB) (names []string, frames map[string][]byte) {
	t.Helper()
	text, err := os.ReadFile("testdata/frames.txt")
	require.NoError(t, err)
	frames = map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		name, octets, ok := strings.Cut(line, ":")
		if !ok || line[0] == '#' {
			continue
		}
		frames[name], err = hex.DecodeString(strings.Join(strings.Fields(octets), ""))
		require.NoError(t, err, name)
		names = append(names, name)
	}
	return names, frames
}

func TestVectors(t *testing.T) {
	atr, id := []byte{0x3B, 0x75, 0x13, 0, 0, 0x40, 9, 0xEA, 0x90, 0}, linkID{1, 2, 3, 4, 5, 6, 7, 8}
	seven := []byte{0, 0, 0, 7}
	want := map[string][]byte{
		"hello on events": appendFrame(nil, frameHello, 0, []byte{protocolVersion, byte(connEvents), 0},
			make([]byte, linkLen), []byte("1.2.3")),
		"hello on requests": appendFrame(nil, frameHello, 0, []byte{protocolVersion, byte(connRequests), 1}, id[:],
			[]byte("1.2.3")),
		"welcome":            appendWelcome(nil, welcomed, id),
		"taken":              appendWelcome(nil, taken, linkID{}),
		"inserted":           appendFrame(nil, frameInserted, 7, atr),
		"removed":            appendFrame(nil, frameRemoved, 7),
		"nothing there":      appendFrame(nil, frameRemoved, 0),
		"asked":              appendFrame(nil, frameAsked, 7),
		"power up":           appendFrame(nil, framePowerUp, 1, seven),
		"power down":         appendFrame(nil, framePowerDown, 2, seven),
		"reset":              appendFrame(nil, frameReset, 3, seven),
		"transmit":           appendFrame(nil, frameTransmit, 4, seven, []byte{0, 0xA4, 0, 0, 2, 0x3F, 0}),
		"verify":             appendFrame(nil, frameVerify, 5, seven, []byte{0, 0x20, 0, 0x81}),
		"answer, an ATR":     appendFrame(nil, frameAnswer, 1, []byte{byte(done)}, atr),
		"answer, nothing":    appendFrame(nil, frameAnswer, 2, []byte{byte(done)}),
		"answer, a response": appendFrame(nil, frameAnswer, 4, []byte{byte(done)}, []byte{0x90, 0}),
		"answer, gone":       appendFrame(nil, frameAnswer, 4, []byte{byte(gone)}),
		"answer, failed":     appendFrame(nil, frameAnswer, 4, []byte{byte(failed)}),
		"working":            appendFrame(nil, frameWorking, 5),
	}
	_, got := vectors(t)
	require.Equal(t, want, got)
}

// vectorsInC: the driver takes the vectors for what they are.
func vectorsInC(t *testing.T, harness string) {
	names, frames := vectors(t)
	more := map[string]string{"welcome": " welcome 0", "taken": " welcome 3", "inserted": " event 1",
		"removed": " event 1", "nothing there": " event 1", "working": " answer 0",
		"answer, an ATR": " answer 1 outcome 0 body 10", "answer, nothing": " answer 1 outcome 0 body 0",
		"answer, a response": " answer 1 outcome 0 body 2", "answer, gone": " answer 1 outcome 1 body 0",
		"answer, failed": " answer 1 outcome 2 body 0"}
	var want strings.Builder
	for _, name := range names {
		f := frames[name]
		fmt.Fprintf(&want, "%s: type %02X number %d length %d%s\n", name, f[0], f[4], len(f)-headerLen, more[name])
	}
	in, err := os.Open("testdata/frames.txt")
	require.NoError(t, err)
	defer in.Close()
	cmd := exec.Command(harness, "vectors")
	cmd.Stdin = in
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, want.String(), string(out))
}

// fuzzHandler feeds mutations of the seeds, the same ones each time, to the driver's parsers.
func fuzzHandler(t *testing.T, harness string) {
	seeds, err := filepath.Glob("testdata/seeds/*")
	require.NoError(t, err)
	require.NotEmpty(t, seeds)
	out, err := exec.Command(harness, append([]string{"fuzz", "20000"}, seeds...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "20000 inputs\n", string(out))
}

// TestConstantsAreTheDrivers: handler/protocol.h has the same numbers.
func TestConstantsAreTheDrivers(t *testing.T) {
	text, err := os.ReadFile("handler/protocol.h")
	require.NoError(t, err)
	inC := map[string]int64{}
	for _, m := range regexp.MustCompile(`\b([A-Z][A-Z_]*) = (0x[0-9A-Fa-f]+|\d+)`).FindAllStringSubmatch(string(text),
		-1) {
		inC[m[1]], err = strconv.ParseInt(m[2], 0, 32)
		require.NoError(t, err)
	}
	for name, want := range map[string]int64{
		"PROTOCOL_VERSION": protocolVersion, "HEADER_LEN": headerLen, "MAX_PAYLOAD": maxPayload,
		"MAX_VERSION": maxVersion, "LINK_LEN": linkLen, "MAX_APDU": maxPayload - insertionLen,
		"MIN_ATR": session.MinATR, "MAX_ATR": session.MaxATR, "MAX_COMMAND": session.MaxCommand,
		"FRAME_HELLO": int64(frameHello), "FRAME_WELCOME": int64(frameWelcome),
		"FRAME_INSERTED": int64(frameInserted), "FRAME_REMOVED": int64(frameRemoved), "FRAME_ASKED": int64(frameAsked),
		"FRAME_POWER_UP": int64(framePowerUp), "FRAME_POWER_DOWN": int64(framePowerDown),
		"FRAME_RESET": int64(frameReset), "FRAME_TRANSMIT": int64(frameTransmit), "FRAME_VERIFY": int64(frameVerify),
		"FRAME_ANSWER": int64(frameAnswer), "FRAME_WORKING": int64(frameWorking),
		"CONN_EVENTS": int64(connEvents), "CONN_REQUESTS": int64(connRequests),
		"WELCOME": int64(welcomed), "WELCOME_OTHER_VERSION": int64(otherVersion), "WELCOME_NO_SLOT": int64(noSlot),
		"WELCOME_TAKEN": int64(taken), "WELCOME_NO_LINK": int64(noLink),
		"OUTCOME_DONE": int64(done), "OUTCOME_GONE": int64(gone), "OUTCOME_FAILED": int64(failed),
	} {
		require.Contains(t, inC, name)
		require.Equal(t, want, inC[name], name)
	}
	require.Greater(t, inC["SILENCE"], 3*workingTime.Milliseconds(), "a request under way is never silent that long")
}
