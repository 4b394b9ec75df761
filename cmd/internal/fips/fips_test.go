package fips

import (
	"context"
	"crypto/fips140"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
)

// enterEnv has the test's binary enter, and say how it runs then.
const enterEnv = "TLAGATE_FIPS_TEST"

// stoppedWord has it told to stop before it enters.
const stoppedWord = "rgs, stopped"

func TestMain(m *testing.M) {
	if word := os.Getenv(enterEnv); word != "" {
		os.Exit(enter(word))
	}
	os.Exit(m.Run())
}

func enter(word string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if word == stoppedWord {
		word = string(pki.CryptoRGS)
		self, _ := os.FindProcess(os.Getpid())
		_ = self.Signal(syscall.SIGTERM)
		<-ctx.Done()
	}
	demanded, _ := pki.ParseCrypto(word)
	if err := Enter(ctx, demanded); err != nil {
		fmt.Println(err)
		return 1
	}
	_, again := os.LookupEnv(started)
	fmt.Println(fips140.Enabled(), os.Getpid(), os.Getenv("GODEBUG"), os.Args[1:], again)
	return 0
}

// entered runs the binary with settings, and returns its process and what it said.
func entered(t *testing.T, word string, env ...string) (pid int, out string, err error) {
	t.Helper()
	c := exec.Command(os.Args[0], "two", "words")
	c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GODEBUG=") }),
		append(env, enterEnv+"="+word)...)
	text, err := c.CombinedOutput()
	return c.Process.Pid, strings.TrimSpace(string(text)), err
}

// TestG5RGSStartsTheProgramAgain: in its own place, with its arguments and other settings, once.
func TestG5RGSStartsTheProgramAgain(t *testing.T) {
	for env, want := range map[string]string{
		"X=":                             "fips140=on",
		"GODEBUG=cpu.aes=off":            "cpu.aes=off,fips140=on",
		"GODEBUG=fips140=off,a=1":        "a=1,fips140=on",
		"GODEBUG=fips140=on,cpu.aes=off": "fips140=on,cpu.aes=off", // as it is: nothing to do
	} {
		pid, out, err := entered(t, "rgs", env)
		require.NoError(t, err, out)
		require.Equal(t, fmt.Sprint("true ", pid, " ", want, " [two words] false"), out)
	}
}

// TestG5DefaultStartsNothing.
func TestG5DefaultStartsNothing(t *testing.T) {
	pid, out, err := entered(t, "default")
	require.NoError(t, err, out)
	require.Equal(t, fmt.Sprint("false ", pid, "  [two words] false"), out)
}

// TestG5RGSIsNotTriedForEver: a program that was started again and is not in the mode ends.
func TestG5RGSIsNotTriedForEver(t *testing.T) {
	_, out, err := entered(t, "rgs", started+"=1")
	require.Error(t, err)
	require.Contains(t, out, "cannot use crypto: rgs: this program was started again")
}

// TestG5RGSKnowsThatItWasStopped: a signal that the program has taken is not lost with it when it starts itself again.
func TestG5RGSKnowsThatItWasStopped(t *testing.T) {
	_, out, err := entered(t, stoppedWord)
	require.Error(t, err, out)
	require.Contains(t, out, "was told to stop")
}

// TestG5FIPS140OnlyIsRefused: there, names by SHA-1 would end the program where they are met.
func TestG5FIPS140OnlyIsRefused(t *testing.T) {
	for _, word := range []string{"rgs", "default"} {
		_, out, err := entered(t, word, "GODEBUG=fips140=only")
		require.Error(t, err)
		require.Contains(t, out, "cannot run with GODEBUG=fips140=only")
	}
}
