package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/audit/persons"
	"tlagate/cmd/internal/cli"
)

const (
	doctor      = "899700000017"
	pharmacy    = "899700000025"
	withPersons = "persons: {anchors: [{file: x.crt}], mapping: {identifier: CN, form: \"8[0-9]{11}\"}}\n"
	withMarks   = "audit: audit.jsonl\nperson_key: {file: person.key, wrapping_key: wrap}\n"
)

// marking makes a deployment that has a person key's place, and a wrapping key.
func marking(t *testing.T) *deployment {
	d := deploy(t)
	d.configure(goodConfig + withMarks)
	require.NoError(t, os.WriteFile(filepath.Join(d.dir, "wrap"), bytes.Repeat([]byte("w"), 48), 0o600))
	return d
}

// run runs a command with the deployment's configuration, and returns its status and what it wrote.
func (d *deployment) run(stdin string, args ...string) (int, string) {
	var out, errs bytes.Buffer
	app := &cli.App{Context: context.Background(), Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs}
	status := cli.Run(app, "tla-gateway", append(args, "-c", d.config), &grammar{}, nil)
	return status, out.String() + errs.String()
}

// ring opens the deployment's person key.
func (d *deployment) ring() *persons.Ring {
	d.t.Helper()
	r, err := configFlag{d.config}.PersonKey()
	require.NoError(d.t, err)
	return r
}

// session records a session of a person, as a gateway does, and returns the number of its line.
func (d *deployment) session(id string) uint64 {
	d.t.Helper()
	mark, err := d.ring().Mark(id)
	require.NoError(d.t, err)
	log, err := audit.Open(audit.Config{File: filepath.Join(d.dir, "audit.jsonl"), By: "tla-gateway"})
	require.NoError(d.t, err)
	require.NoError(d.t, log.Record(audit.SessionOpened, audit.Person(mark.Person), audit.PersonSealed(mark.Sealed)))
	lines := d.trace(audit.SessionOpened)
	return lines[len(lines)-1].Seq
}

// TestSA2PersonIsFoundAndResolved: one key for two gateways; with the identifier in hand the lines of both are found,
// also after a change of the key; an officer reads whom a line is about, and that leaves a line. The trace has nobody's
// identifier.
func TestSA2PersonIsFoundAndResolved(t *testing.T) {
	d := marking(t)
	officer, err := age.GenerateHybridIdentity()
	require.NoError(t, err)
	copies := filepath.Join(d.dir, "copy.age")
	status, out := d.run("", "person-key", "new", "--to", officer.Recipient().String(), "--copy", copies)
	require.Zero(t, status, out)
	require.Contains(t, out, "in use; to be changed by")
	first := d.session(doctor)
	d.session(pharmacy)

	other := marking(t)
	status, out = other.run(decrypted(t, copies, officer), "person-key", "import")
	require.Zero(t, status, out)
	other.session(doctor)
	status, out = other.run(doctor+"\n", "audit", "person", "find")
	require.Zero(t, status, out)
	require.Equal(t, 1, strings.Count(out, "session.opened"))

	status, out = d.run("", "person-key", "new", "--copy", filepath.Join(d.dir, "second.age"))
	require.Zero(t, status, out)
	require.Contains(t, out, "kept until")
	d.session(doctor)
	status, out = d.run(doctor+"\n", "audit", "person", "find", "--json")
	require.Zero(t, status, out)
	require.Equal(t, 2, strings.Count(out, "session.opened"), "by the old key, and by the new one")
	require.NotContains(t, out, doctor)

	key := filepath.Join(d.dir, "officer.key")
	require.NoError(t, os.WriteFile(key, []byte(officer.String()+"\n"), 0o600))
	status, out = d.run("", "audit", "person", "resolve", "--line", text(first), "--key", key, "--reason", "case 7")
	require.Zero(t, status, out)
	require.Equal(t, doctor+"\n", out)
	acts := d.trace(audit.OperatorAct)
	require.Len(t, acts, 1)
	require.Equal(t, []string{"resolve_person", "case 7", text(first)},
		[]string{acts[0].With["act"], acts[0].With["reason"], acts[0].With["number"]})
	trace, err := os.ReadFile(filepath.Join(d.dir, "audit.jsonl"))
	require.NoError(t, err)
	require.NotContains(t, string(trace), doctor)
	require.Len(t, d.trace(audit.KeyCreated), 2)
	require.Len(t, other.trace(audit.KeyReplaced), 1)
}

func text(n uint64) string { return strconv.FormatUint(n, 10) }

// decrypted opens a copy as an officer does with age.
func decrypted(t *testing.T, file string, key age.Identity) string {
	sealed, err := os.ReadFile(file)
	require.NoError(t, err)
	opened, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), key)
	require.NoError(t, err)
	plain, err := io.ReadAll(opened)
	require.NoError(t, err)
	return string(plain)
}

// TestSA2PersonKeyRefused: what is wrong is named, and nothing is left behind.
func TestSA2PersonKeyRefused(t *testing.T) {
	d := marking(t)
	status, out := d.run("", "person-key", "status")
	require.NotZero(t, status)
	require.Contains(t, out, "make it by person-key new")
	status, out = d.run("", "person-key", "new", "--copy", filepath.Join(d.dir, "c"))
	require.NotZero(t, status)
	require.Contains(t, out, "--to age1")
	status, out = d.run("{}", "person-key", "import")
	require.NotZero(t, status)
	require.Contains(t, out, "cannot read the person key")
	require.NoFileExists(t, filepath.Join(d.dir, "person.key"))
	require.NoFileExists(t, filepath.Join(d.dir, "c"))

	officer, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	there := filepath.Join(d.dir, "there")
	require.NoError(t, os.WriteFile(there, nil, 0o600))
	status, out = d.run("", "person-key", "new", "--to", officer.Recipient().String(), "--copy", there)
	require.NotZero(t, status)
	require.Contains(t, out, there+" is there already; name a new file")

	d.configure(goodConfig)
	status, out = d.run("", "person-key", "status")
	require.NotZero(t, status)
	require.Contains(t, out, "write person_key:")
}

// TestSA2AnOldCopyOfThePersonKeyIsRefused: it would take away the key by which lines of the trace are marked, and bring
// back one that was given up.
func TestSA2AnOldCopyOfThePersonKeyIsRefused(t *testing.T) {
	d := marking(t)
	officer, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	renewed := func(name string) string {
		file := filepath.Join(d.dir, name)
		status, out := d.run("", "person-key", "new", "--to", officer.Recipient().String(), "--copy", file)
		require.Zero(t, status, out)
		return decrypted(t, file, officer)
	}
	first := renewed("first.age")
	second := renewed("second.age")
	d.session(doctor)
	status, out := d.run(first, "person-key", "import")
	require.NotZero(t, status)
	require.Contains(t, out, "an old copy")
	status, out = d.run(doctor+"\n", "audit", "person", "find")
	require.Zero(t, status, out)
	require.Equal(t, 1, strings.Count(out, "session.opened"))
	status, out = d.run(second, "person-key", "import")
	require.Zero(t, status, out, "the present one again is none")
}

// TestSA2PersonIsNotResolved: without an officer's key, for a line about nobody, without a reason or a line.
func TestSA2PersonIsNotResolved(t *testing.T) {
	d := marking(t)
	officer, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	stranger, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	status, out := d.run("", "person-key", "new", "--to", officer.Recipient().String(), "--copy",
		filepath.Join(d.dir, "c"))
	require.Zero(t, status, out)
	line := text(d.session(doctor))
	resolve := func(key, line, reason string) string {
		status, out := d.run(key, "audit", "person", "resolve", "--line", line, "--key", "-", "--reason", reason)
		require.NotZero(t, status)
		require.NotContains(t, out, doctor)
		require.NotContains(t, out, "AGE-SECRET-KEY-1")
		return out
	}
	require.Contains(t, resolve(stranger.String(), line, "x"), "is this the key of an officer")
	require.Len(t, d.trace(audit.OperatorAct), 1, "a try is recorded, too")
	require.Contains(t, resolve(officer.String(), "1", "x"), "about no person")
	require.Contains(t, resolve(officer.String(), "999", "x"), "not in the trace")
	require.Contains(t, resolve(officer.String(), line, " "), "say why")
	require.Contains(t, resolve("nonsense", line, "x"), "it is no AGE-SECRET-KEY")
	require.Len(t, d.trace(audit.OperatorAct), 2)
	status, out = d.run("\n", "audit", "person", "find")
	require.NotZero(t, status)
	require.Contains(t, out, "to standard input")
	status, out = d.run(pharmacy+"\n", "audit", "person", "find")
	require.Zero(t, status)
	require.Contains(t, out, "no line is about that person")
	status, out = d.run("", "audit", "show")
	require.Zero(t, status)
	require.Contains(t, out, "person_sealed=…")

	d.configure(goodConfig + withMarks + withPersons)
	status, out = d.run(doctor[1:]+"\n", "audit", "person", "find") // a digit is missing
	require.NotZero(t, status)
	require.Contains(t, out, "not of the form 8[0-9]{11}")
	require.NotContains(t, out, doctor[1:])
}
