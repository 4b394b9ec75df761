package world

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

const (
	vpcdDriver  = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
	driverDir   = "/usr/lib/pcsc/drivers"
	pcscdSocket = "pcscd.comm"
)

// Reader is a vpcd driver entry: two slots, which PC/SC programs see as "NAME 00 00" and "NAME 00 01".
type Reader struct {
	Name string // FRIENDLYNAME
	Port int    // of the first slot; the second listens on Port+1. 0 = a free pair
}

// Slot returns the address of slot 0 or 1.
func (r Reader) Slot(i int) string { return Addr(r.Port + i) }

// PCSCD is a private pcscd with virtual readers. It sees no other reader, not even a real one on USB. Not for
// concurrent use.
type PCSCD struct {
	// Readers are those of its PCSCDConfig, with their ports.
	Readers []Reader
	// Args are options of pcscd for the next Start.
	Args []string
	// Vars are more variables of Env, such as OPENSC_CONF.
	Vars []string

	dir    string // has its configuration, copies of the driver, run/ (its /run/pcscd) and none/ (its empty driverDir)
	echo   io.Writer
	limits *Limits
	ours   []byte
	driver *Driver
	vars   []string // of pcscd's environment
	proc   *Process // nil: stopped
}

// PCSCDConfig describes a pcscd to start.
type PCSCDConfig struct {
	Readers []Reader  // at least one, at most eight; none with Conf
	Conf    []byte    // in place of Readers: the file of reader.conf.d, with ifd.Library for our own driver
	Driver  *Driver   // in place of our own driver as it is installed
	Echo    io.Writer // gets pcscd's output; nil = nobody
	Limits  *Limits   // of its readers, of which there can then be only one; nil = vpcd as it is
}

// StartPCSCD starts a pcscd in a mount namespace of its own, and returns when it answers and its slots listen.
func StartPCSCD(cfg PCSCDConfig) (*PCSCD, error) {
	p := &PCSCD{Readers: append([]Reader(nil), cfg.Readers...), echo: cfg.Echo, limits: cfg.Limits, ours: cfg.Conf,
		driver: cfg.Driver}
	if p.driver == nil {
		p.driver = installed
	}
	if err := p.lay(); err != nil {
		return nil, fmt.Errorf("cannot prepare a pcscd: %w", err)
	}
	if err := p.Start(); err != nil {
		_ = os.RemoveAll(p.dir)
		return nil, err
	}
	return p, nil
}

// Env returns the variables that point PC/SC programs at this pcscd.
func (p *PCSCD) Env() []string {
	return append([]string{"PCSCLITE_CSOCK_NAME=" + p.Socket()}, p.Vars...)
}

// Socket returns the path of its socket, which stays the same after a restart.
func (p *PCSCD) Socket() string { return filepath.Join(p.dir, "run", pcscdSocket) }

// Process returns the running daemon; nil when it is stopped.
func (p *PCSCD) Process() *Process { return p.proc }

// Start starts it again after Stop or Kill.
func (p *PCSCD) Start() error {
	if p.proc != nil {
		return errors.New("cannot start this pcscd: it is running")
	}
	if err := p.clearRun(); err != nil {
		return fmt.Errorf("cannot start pcscd: %w", err)
	}
	proc, err := launch(Command{Name: "pcscd", Echo: p.echo}, p.command())
	if err != nil {
		return err
	}
	p.proc = proc
	if err := Poll(Patience, "pcscd and its virtual readers", p.ready); err != nil {
		err = fmt.Errorf("%w; it said: %s", err, strings.Join(proc.Lines(), " | "))
		return errors.Join(err, p.Stop())
	}
	return nil
}

// Stop ends the daemon; Start brings it back on the same socket and ports.
func (p *PCSCD) Stop() error {
	if p.proc == nil {
		return nil
	}
	err := p.proc.Stop()
	p.proc = nil
	return err
}

// Kill ends the daemon as a crash would.
func (p *PCSCD) Kill() {
	if p.proc != nil {
		p.proc.Kill()
		p.proc = nil
	}
}

// Restart is Stop and Start.
func (p *PCSCD) Restart() error {
	if err := p.Stop(); err != nil {
		return err
	}
	return p.Start()
}

// Close stops the daemon and removes its files.
func (p *PCSCD) Close() error { return errors.Join(p.Stop(), os.RemoveAll(p.dir)) }

// lay writes the configuration and copies the driver, once for each entry: its static state serves one pair of ports.
func (p *PCSCD) lay() (err error) {
	if p.dir, err = os.MkdirTemp("", "pcscd-"); err != nil {
		return err
	}
	for _, dir := range []string{filepath.Dir(p.conf()), filepath.Join(p.dir, "none")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if p.ours != nil {
		return p.layOurs()
	}
	driver, err := os.ReadFile(vpcdDriver)
	if err != nil {
		return fmt.Errorf("%w; install the package vsmartcard-vpcd", err)
	}
	var conf strings.Builder
	for i := range p.Readers {
		lib := filepath.Join(p.dir, fmt.Sprintf("libifdvpcd%d.so", i))
		if err := os.WriteFile(lib, driver, 0o755); err != nil {
			return err
		}
		if lib, err = p.vpcd(lib); err != nil {
			return err
		}
		if err := p.Readers[i].entry(&conf, lib); err != nil {
			return err
		}
	}
	return os.WriteFile(p.conf(), []byte(conf.String()), 0o644)
}

// vpcd returns what pcscd loads for a copy of vpcd's driver.
func (p *PCSCD) vpcd(vpcd string) (string, error) {
	if p.limits == nil {
		return vpcd, nil
	}
	p.vars = p.limits.env(vpcd)
	return limited()
}

func (r *Reader) entry(conf io.Writer, lib string) (err error) {
	if r.Port == 0 {
		if r.Port, err = portPair(); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(conf, "FRIENDLYNAME %q\nDEVICENAME /dev/null:0x%04X\nLIBPATH %s\nCHANNELID 0x%04X\n\n",
		r.Name, r.Port, lib, r.Port)
	return err
}

func (p *PCSCD) conf() string { return filepath.Join(p.dir, "conf", "readers") }

// StartOnDemand has systemd's tool listen on the socket, and become the daemon when the first program comes.
func (p *PCSCD) StartOnDemand() error {
	if err := p.clearRun(); err != nil {
		return fmt.Errorf("cannot start pcscd: %w", err)
	}
	cmd := p.command()
	at := slices.Index(cmd.Args, "pcscd")
	cmd.Args = slices.Insert(cmd.Args, at, "systemd-socket-activate", "--listen="+p.Socket())
	proc, err := launch(Command{Name: "pcscd", Echo: p.echo}, cmd)
	if err != nil {
		return err
	}
	p.proc = proc
	return Poll(Patience, "the socket of pcscd", func() error { _, err := os.Stat(p.Socket()); return err })
}

// command returns a pcscd with its own /run/pcscd and none of the drivers of real readers.
func (p *PCSCD) command() *exec.Cmd {
	args := append([]string{"--foreground", "--config", filepath.Dir(p.conf())}, private()...)
	cmd := exec.Command("pcscd", append(args, p.Args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	Over{"/run/pcscd": filepath.Join(p.dir, "run"), driverDir: filepath.Join(p.dir, "none")}.cover(cmd)
	cmd.Env = append(os.Environ(), p.vars...)
	return cmd
}

// private returns the option by which pcscd answers every program that reaches its socket, as version 1.9 does: newer
// versions ask polkit, which no world has.
var private = sync.OnceValue(func() []string {
	const noPolkit = "--disable-polkit"
	if help, _ := exec.Command("pcscd", "--help").CombinedOutput(); bytes.Contains(help, []byte(noPolkit)) {
		return []string{noPolkit}
	}
	return nil // it knows no polkit, or cannot be run, which Start reports
})

// clearRun removes what a killed pcscd leaves: the next one would take it for a pcscd that runs.
func (p *PCSCD) clearRun() error {
	run := filepath.Join(p.dir, "run")
	if err := os.RemoveAll(run); err != nil {
		return err
	}
	return os.Mkdir(run, 0o755)
}

func (p *PCSCD) ready() error {
	select {
	case <-p.proc.Done():
		return errors.New("it ended")
	default:
	}
	conn, err := net.Dial("unix", p.Socket())
	if err != nil {
		return err
	}
	_ = conn.Close()
	return p.slotsListen()
}

// slotsListen looks the ports up in /proc: a connection would insert a card.
func (p *PCSCD) slotsListen() error {
	listening, err := listeningPorts()
	if err != nil {
		return err
	}
	for _, r := range p.Readers {
		for slot := range 2 {
			if !listening[r.Port+slot] {
				return fmt.Errorf("nothing listens on the port of slot %d of %q", slot, r.Name)
			}
		}
	}
	return nil
}
