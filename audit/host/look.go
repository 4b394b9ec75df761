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
	"regexp"
	"strings"
)

// seen is what the machine was at one start.
type seen struct {
	Kernel   string            `json:"kernel"`   // release and version, as uname -r -v prints them
	OS       string            `json:"os"`       // PRETTY_NAME and VERSION_ID of os-release
	Image    string            `json:"image"`    // its build and root hash, or "none"
	Verity   bool              `json:"verity"`   // it has a root hash
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

// look returns what the machine is; last is what it was, nil = not known.
func (c Config) look(last *seen) (s *seen, err error) {
	under := func(name string) string { return filepath.Join(cmp.Or(c.Root, "/"), name) }
	release := osRelease(under("etc/os-release"), under("usr/lib/os-release"))
	s = &seen{OS: release.system()}
	if c.Again && last != nil {
		s.Kernel, s.Image, s.Verity, s.Program = last.Kernel, last.Image, last.Verity, last.Program
	} else if err := s.lookOnce(under, release, cmp.Or(c.Program, under("proc/self/exe"))); err != nil {
		return nil, err
	}
	s.Packages, s.Unknown = packagesOf(under)
	if s.Verity && s.Packages == nil {
		s.Unknown = "" // all of them are in the image
	}
	return s, nil
}

// lookOnce looks at what cannot change while a program runs.
func (s *seen) lookOnce(under func(string) string, release release, program string) (err error) {
	s.Kernel = kernel(under("proc/sys/kernel/osrelease"), under("proc/sys/kernel/version"))
	hash := rootHash(under("proc/cmdline"))
	s.Image, s.Verity = release.image(hash), hash != ""
	s.Program, err = digest(program)
	return err
}

// lists are where package managers keep what is installed, in the form of dpkg's status.
var lists = []string{"var/lib/dpkg/status", "usr/lib/opkg/status", "var/lib/opkg/status"}

// Files returns what Compare reads Again, for the sandbox of a program.
func Files() []string {
	files := []string{"/etc/os-release", "/usr/lib/os-release"}
	for _, name := range lists {
		files = append(files, "/"+name)
	}
	return files
}

// packagesOf reads the first list that there is; why says why none can be read.
func packagesOf(under func(string) string) (list map[string]string, why string) {
	for _, name := range lists {
		list, err := readPackages(under(name))
		switch {
		case err == nil:
			return list, ""
		case !errors.Is(err, fs.ErrNotExist):
			return nil, "the list of packages cannot be read"
		}
	}
	return nil, "there is no dpkg here, nor opkg"
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

// release has the fields of os-release(5).
type release map[string]string

// osRelease reads the first of the files that can be read.
func osRelease(files ...string) release {
	for _, name := range files {
		text, err := small(name)
		if err != nil {
			continue
		}
		fields := release{}
		for line := range strings.Lines(text) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			fields[key] = strings.Trim(value, `"'`)
		}
		return fields
	}
	return nil
}

func (r release) system() string {
	return cmp.Or(oneLine(cmp.Or(r["PRETTY_NAME"], r["ID"])+" "+r["VERSION_ID"]), unknown)
}

// image returns which image the system was started from: what its maker calls it, and the root hash of dm-verity.
func (r release) image(hash string) string {
	return cmp.Or(oneLine(strings.Join([]string{r["IMAGE_ID"], r["IMAGE_VERSION"], r["BUILD_ID"], hash}, " ")), "none")
}

// verity finds the root hash in the kernel's command line: systemd's, or that of dm-mod.create (a table of dm-verity
// with the data and hash devices, sizes, first block, algorithm, root hash).
var verity = regexp.MustCompile(`(?:^|\s)(?:roothash|usrhash)=([0-9a-f]{32,128})\b|` +
	`\bverity \d+ \S+ \S+ \d+ \d+ \d+ \d+ \S+ ([0-9a-f]{32,128})\b`)

// rootHash returns the root hashes by which dm-verity verifies the system; "" = it does not.
func rootHash(cmdline string) string {
	text, err := small(cmdline)
	if err != nil {
		return ""
	}
	var found []string
	for _, m := range verity.FindAllStringSubmatch(text, -1) {
		found = append(found, cmp.Or(m[1], m[2]))
	}
	return strings.Join(found, " ")
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
