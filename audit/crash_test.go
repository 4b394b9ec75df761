//go:build unix

package audit_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
)

// stepEnv names the variable with which the child kills itself: STEP:N, at the Nth time that it comes to a step.
const stepEnv = "AUDIT_TEST_STEP"

func init() { atStep = dieAt }

// dieAt has the process killed when the log comes to a step.
func dieAt(l *audit.Log) {
	name, times, _ := strings.Cut(os.Getenv(stepEnv), ":")
	left, _ := strconv.Atoi(times)
	l.OnStep(func(step string) {
		if step != name {
			return
		}
		if left--; left == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
}

// dying runs a child that records until it dies at a step, and returns how many lines it says are on the disk.
func dying(t *testing.T, file, step string, times int) (said int) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+file, fmt.Sprintf("%s=%s:%d", stepEnv, step, times))
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	for lines := bufio.NewScanner(out); lines.Scan(); {
		require.NotContains(t, lines.Text(), "cannot")
		said++
	}
	require.ErrorContains(t, child.Wait(), "killed")
	return said
}

// TestSA2KilledAtEachStep: a program dies after the write, the sync, the head of a commit, and between the steps of a
// rotation. What it said is on the disk is there, nothing is recovered, and the chain goes on.
func TestSA2KilledAtEachStep(t *testing.T) {
	for _, step := range []string{"written", "synced", "headed", "renamed", "begun"} {
		for _, times := range []int{1, 2, 5} {
			t.Run(fmt.Sprint(step, times), func(t *testing.T) {
				file := logFile(t)
				said := dying(t, file, step, times)
				good(t, file)
				record(t, newLog(t, file), 1)
				r := good(t, file)
				require.Empty(t, r.Recovered)
				require.Zero(t, r.Torn)
				require.GreaterOrEqual(t, r.Lines, said+1)
				require.LessOrEqual(t, r.Lines, said+2)
			})
		}
	}
}

// TestSA2PowerCutLeavesAnOlderHead: whatever head since the last rotation a power cut leaves on the disk, and however
// the rotation stood, the lines behind it are accepted.
func TestSA2PowerCutLeavesAnOlderHead(t *testing.T) {
	file := logFile(t)
	l := newLog(t, file, func(c *audit.Config) { c.MaxSize = 2000 })
	var heads [][]byte
	files := 0
	for range 40 {
		record(t, l, 1)
		if now := good(t, file).Files; now != files {
			files, heads = now, nil
		}
		head, err := os.ReadFile(file + ".head")
		require.NoError(t, err)
		heads = append(heads, head)
		for _, older := range heads {
			require.NoError(t, os.WriteFile(file+".head", older, 0o600))
			require.Equal(t, good(t, file).Lines, good(t, file).Lines)
			newLog(t, file)
			r := good(t, file)
			require.Empty(t, r.Recovered)
		}
		now, err := os.ReadFile(file + ".head")
		require.NoError(t, err)
		require.Equal(t, string(head), string(now), "it is made again from the lines")
	}
	require.Greater(t, files, 3)
}

// TestSA2TheHeadIsOnTheDiskBeforeARotation: else a head from before the rotation would be of another file.
func TestSA2TheHeadIsOnTheDiskBeforeARotation(t *testing.T) {
	l := newLog(t, logFile(t), func(c *audit.Config) { c.MaxSize = 400 })
	var steps []string
	l.OnStep(func(step string) { steps = append(steps, fmt.Sprint(step, " ", l.Syncs())) })
	record(t, l, 1)
	before := l.Syncs()
	steps = nil
	record(t, l, 2)
	require.Equal(t, 2, good(t, l.File()).Files)
	renamed := ""
	for _, s := range steps {
		if strings.HasPrefix(s, "renamed") {
			renamed = s
		}
	}
	require.Equal(t, fmt.Sprint("renamed ", before+2), renamed, "a line and the head: %v", steps)
}

// TestSA2NextFileOfACrash: what a crash left of a file that was about to be begun does no harm.
func TestSA2NextFileOfACrash(t *testing.T) {
	file := logFile(t)
	l := newLog(t, file, func(c *audit.Config) { c.MaxSize = 1 })
	require.NoError(t, os.WriteFile(file+".next", []byte("half a file"), 0o600))
	record(t, l, 3)
	require.Equal(t, 3, good(t, file).Files)
	require.NoFileExists(t, file+".next")
	names, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*"))
	require.NoError(t, err)
	require.Len(t, names, 4, names)
}

// TestSA2EachDayHasItsFile: with Daily, midnight (UTC) ends a file.
func TestSA2EachDayHasItsFile(t *testing.T) {
	clock := newClock()
	l := newLog(t, logFile(t), clock.in, func(c *audit.Config) { c.Daily = true })
	for range 5 {
		record(t, l, 2)
		clock.add(12 * time.Hour)
	}
	names, err := filepath.Glob(filepath.Join(filepath.Dir(l.File()), "audit-*.jsonl"))
	require.NoError(t, err)
	require.Len(t, names, 2)
	require.Contains(t, names[1], "audit-000000000005.jsonl")
	require.Equal(t, 10, good(t, l.File()).Lines)
	clock.add(12 * time.Hour)
	again := newLog(t, l.File(), clock.in, func(c *audit.Config) { c.Daily = true })
	record(t, again, 1)
	require.Equal(t, 4, good(t, l.File()).Files, "also after a start")
}

// TestSA2ClockSetBackIsTold once for each time that it is set back, not for each line after that.
//
// Fault: a clock jumps.
func TestSA2ClockSetBackIsTold(t *testing.T) {
	clock := newClock()
	l := newLog(t, logFile(t), clock.in)
	record(t, l, 1)
	clock.add(-time.Second)
	record(t, l, 1)
	require.Empty(t, good(t, l.File()).Back, "clocks are adjusted")
	clock.add(-time.Hour)
	record(t, l, 3)
	clock.add(-time.Minute)
	record(t, newLog(t, l.File(), clock.in), 2)
	var kinds []audit.Kind
	for _, e := range entries(t, l.File()) {
		kinds = append(kinds, e.Event)
	}
	require.Equal(t, []audit.Kind{"key.loaded", "key.loaded", "clock.back", "key.loaded", "key.loaded", "key.loaded",
		"clock.back", "key.loaded", "key.loaded"}, kinds)
	back := entries(t, l.File())[2]
	require.Equal(t, map[string]string{"from": "2026-11-24T08:30:00Z", "to": "2026-11-24T07:29:59Z"}, back.With)
	require.Equal(t, []uint64{3, 7}, good(t, l.File()).Back)
}

// TestSA2WhatIsNoFileIsNotRead: a copy of a trace with a pipe in it would keep who verifies it waiting for ever.
func TestSA2WhatIsNoFileIsNotRead(t *testing.T) {
	file := logFile(t)
	record(t, newLog(t, file), 1)
	require.NoError(t, syscall.Mkfifo(strings.TrimSuffix(file, ".jsonl")+"-000000000001.jsonl", 0o600))
	_, err := audit.VerifyFile(file)
	require.ErrorContains(t, err, "is no file")
}
