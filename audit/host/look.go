package host

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// seen is what the machine was at one start.
type seen struct {
	Kernel   string            `json:"kernel"`   // release and version, as uname -r -v prints them
	OS       string            `json:"os"`       // PRETTY_NAME and VERSION_ID of os-release
	Program  string            `json:"program"`  // SHA-256 of our own file, hexadecimal
	Packages map[string]string `json:"packages"` // version by name:arch
	Unknown  string            `json:"unknown"`  // why the packages are unknown; "" = they are known
}

func (s *seen) program() (sum [32]byte) {
	raw, _ := hex.DecodeString(s.Program)
	copy(sum[:], raw)
	return sum
}

// unknown stands for what the machine does not tell.
const unknown = "unknown"

func look(root, program string) (*seen, error) {
	under := func(name string) string { return filepath.Join(cmp.Or(root, "/"), name) }
	s := &seen{Kernel: kernel(under("proc/sys/kernel/osrelease"), under("proc/sys/kernel/version"))}
	s.OS = osRelease(under("etc/os-release"), under("usr/lib/os-release"))
	var err error
	if s.Program, err = digest(cmp.Or(program, under("proc/self/exe"))); err != nil {
		return nil, err
	}
	s.Packages, err = readPackages(under("var/lib/dpkg/status"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.Unknown = "there is no dpkg here"
	case err != nil:
		s.Unknown = "dpkg's list cannot be read"
	}
	return s, nil
}

// kernel returns what uname prints, from /proc.
func kernel(release, version string) string {
	return oneLine(first(release) + " " + first(version))
}

// maxSmall is the most that is read of a small file, in octets.
const maxSmall = 64 << 10

// first returns the content of a small file, or "unknown".
func first(name string) string {
	text, err := small(name)
	if err != nil || strings.TrimSpace(text) == "" {
		return unknown
	}
	return text
}

func small(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxSmall))
	return string(raw), err
}

// osRelease reads the first of the files that can be read (os-release(5)).
func osRelease(files ...string) string {
	for _, name := range files {
		text, err := small(name)
		if err != nil {
			continue
		}
		fields := map[string]string{}
		for line := range strings.Lines(text) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			fields[key] = strings.Trim(value, `"'`)
		}
		return cmp.Or(oneLine(cmp.Or(fields["PRETTY_NAME"], fields["ID"])+" "+fields["VERSION_ID"]), unknown)
	}
	return unknown
}

func digest(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// maxPackages is the most that is read of dpkg's list, in octets; Debian's 60 000 packages have 70 MB.
const maxPackages = 128 << 20

func readPackages(name string) (map[string]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parsePackages(io.LimitReader(f, maxPackages))
}

// parsePackages reads dpkg's status file: paragraphs of "Field: value" lines. It leaves out packages that are not
// installed, or of which only the configuration is left.
func parsePackages(r io.Reader) (map[string]string, error) {
	list := map[string]string{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	p := map[string]string{}
	for lines.Scan() {
		line := lines.Text()
		if strings.TrimSpace(line) == "" {
			addPackage(list, p)
			clear(p)
			continue
		}
		switch name, value, _ := strings.Cut(line, ":"); name {
		case "Package", "Status", "Version", "Architecture":
			p[name] = oneLine(value)
		}
	}
	addPackage(list, p)
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("cannot read dpkg's list: %w", err)
	}
	return list, nil
}

// addPackage adds a package to the list if it is on the machine, even half configured.
func addPackage(list, p map[string]string) {
	state := strings.Fields(p["Status"])
	if p["Package"] == "" || len(state) != 3 || state[2] == "not-installed" || state[2] == "config-files" {
		return
	}
	list[p["Package"]+":"+cmp.Or(p["Architecture"], unknown)] = cmp.Or(p["Version"], unknown)
}
