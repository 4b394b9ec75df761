package world

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Machines are computers of this world, on a network that they share with the world itself. Each sees the files of the
// computer that the world runs on; what is changed on one is changed on that one alone, and vanishes with it.
type Machines struct {
	dir    string // has one directory for each machine
	bridge string // the network's end in the world
	subnet int
	list   []*Machine
}

// Machine is one of [Machines].
type Machine struct {
	Name string
	Addr string // IPv4
	dir  string
}

// subnets counts the networks of a world: 10.77.0.0/24 and so on, up to 10.77.255.0/24.
var subnets atomic.Int32

// StartMachines lays out machines that find one another by these names. It needs root: a machine has users.
func StartMachines(names ...string) (*Machines, error) {
	subnet := int(subnets.Add(1)) - 1
	m := &Machines{bridge: fmt.Sprintf("lan%d", subnet), subnet: subnet}
	var err error
	if m.dir, err = os.MkdirTemp("", "machines-"); err != nil {
		return nil, fmt.Errorf("cannot make machines: %w", err)
	}
	for i, name := range names {
		m.list = append(m.list, &Machine{Name: name, Addr: m.addr(i + 1), dir: filepath.Join(m.dir, name)})
	}
	if err := m.layOut(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot make machines: %w", err), m.Close())
	}
	return m, nil
}

// HasUsers reports whether this world has more than one user; a world that an ordinary user entered has only one.
func HasUsers() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	fields := strings.Fields(string(text))
	return err == nil && len(fields) == 3 && fields[2] != "1"
}

func (m *Machines) addr(i int) string { return fmt.Sprintf("10.77.%d.%d", m.subnet, i) }

// Machine returns the machine of that name, or nil.
func (m *Machines) Machine(name string) *Machine {
	for _, one := range m.list {
		if one.Name == name {
			return one
		}
	}
	return nil
}

// machineTime bounds each step of laying out machines.
const machineTime = time.Minute

// addBridge takes the bridge's name and address; addMachine takes a machine's directory, its interface in the world,
// the bridge, and the machine's address. A machine has its own /run, /tmp and /dev, no reader on USB, and nothing of
// what our programs keep on this computer.
const (
	addBridge  = `ip link add "$1" type bridge && ip addr add "$2/24" dev "$1" && ip link set "$1" up`
	addMachine = `
		mkdir -p "$1/upper" "$1/work" "$1/root"
		mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
		cd "$1/root"
		rm -rf etc/tlagate var/lib/tlagate var/lib/tla-*
		for dir in run tmp dev var/tmp; do mount -t tmpfs -o mode=0755 tmpfs $dir; done
		chmod 1777 tmp var/tmp
		mkdir run/pcscd run/lock dev/pts dev/shm
		mount -t proc proc proc
		mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
		for node in null zero full random urandom tty; do touch dev/$node; mount --bind /dev/$node dev/$node; done
		ln -s pts/ptmx dev/ptmx
		ln -s /proc/self/fd dev/fd
		touch "$1/net"
		unshare --net="$1/net" true
		ip link add "$2" type veth peer name eth0 netns "$1/net"
		ip link set "$2" master "$3" up
		nsenter --net="$1/net" sh -ec 'ip link set lo up; ip addr add "$1/24" dev eth0; ip link set eth0 up' sh "$4"`
)

// layOut makes the network and the machines, each of which knows the names of all.
func (m *Machines) layOut() error {
	if err := shell(addBridge, m.bridge, m.addr(254)); err != nil {
		return err
	}
	hosts := "127.0.0.1 localhost\n::1 localhost\n"
	for i, one := range m.list {
		if err := shell(addMachine, one.dir, fmt.Sprintf("%s-%d", m.bridge, i), m.bridge, one.Addr); err != nil {
			return fmt.Errorf("%s: %w", one.Name, err)
		}
		hosts += one.Addr + " " + one.Name + "\n"
	}
	return m.Hosts(hosts)
}

// Hosts writes /etc/hosts on every machine.
func (m *Machines) Hosts(text string) error {
	for _, one := range m.list {
		if err := os.WriteFile(one.Path("/etc/hosts"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func shell(script string, args ...string) error {
	_, err := Run(machineTime, nil, "sh", append([]string{"-ec", script, "sh"}, args...)...)
	return err
}

// Path returns where the world finds a file of the machine.
func (m *Machine) Path(name string) string { return filepath.Join(m.dir, "root", name) }

// Overlay shows a directory of the world as one of the machine's; what the machine changes there stays its own.
func (m *Machine) Overlay(from, to string) error {
	layer := filepath.Join(m.dir, fmt.Sprintf("layer-%x", to))
	return shell(`mkdir -p "$2/upper" "$2/work" "$3"
		mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$3"`, from, layer, m.Path(to))
}

// Bind shows a file or a directory of the world as one of the machine's.
func (m *Machine) Bind(from, to string) error {
	return shell(`mkdir -p "$(dirname "$2")"
		if [ -d "$1" ]; then mkdir -p "$2"; else touch "$2"; fi
		mount --bind "$1" "$2"`, from, m.Path(to))
}

// Run runs a program on the machine, as root, with something typed into its standard input.
func (m *Machine) Run(timeout time.Duration, typed string, program string, args ...string) (string, error) {
	root := filepath.Join(m.dir, "root")
	enter := []string{
		"--net=" + filepath.Join(m.dir, "net"), "--root=" + root, "--wd=" + root,
		"env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=dumb",
		program,
	}
	out, err := Type(timeout, typed, nil, "nsenter", append(enter, args...)...)
	if err != nil {
		err = fmt.Errorf("on %s: %w", m.Name, err)
	}
	return out, err
}

// Close ends what runs on the machines, and removes them.
func (m *Machines) Close() error {
	err := m.end(syscall.SIGTERM)
	if err != nil {
		err = m.end(syscall.SIGKILL)
	}
	for _, one := range m.list {
		err = errors.Join(err, unmount(one.dir))
	}
	return errors.Join(err, shell(`ip link del "$1"`, m.bridge), os.RemoveAll(m.dir))
}

// end sends a signal to all that runs on the machines, and waits until nothing does.
func (m *Machines) end(sig syscall.Signal) error {
	for _, pid := range m.running() {
		_ = syscall.Kill(pid, sig)
	}
	return Poll(stopTime, "the machines' programs to end", func() error {
		if left := m.running(); len(left) != 0 {
			return fmt.Errorf("these run: %d", left)
		}
		return nil
	})
}

// running returns the processes whose root directory is a machine's.
func (m *Machines) running() (pids []int) {
	roots, _ := filepath.Glob("/proc/[0-9]*/root")
	for _, link := range roots {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, m.dir+"/") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(link)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// unmount unmounts all that is mounted below a directory, the last first.
func unmount(dir string) error {
	var points []string
	err := eachLine("/proc/self/mountinfo", func(fields []string) {
		if strings.HasPrefix(fields[4], dir+"/") {
			points = append(points, fields[4])
		}
	})
	for _, point := range slices.Backward(points) {
		err = errors.Join(err, unix.Unmount(point, unix.MNT_DETACH))
	}
	return err
}
