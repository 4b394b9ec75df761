package doctor

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// rules returns the packet filter's rules; "" = there are none. Only root sees them.
func (d Driver) rules() (string, error) {
	if d.Rules != nil {
		return d.Rules()
	}
	if os.Geteuid() != 0 {
		return "", errors.New("only root sees them")
	}
	nft, err := command("nft", "list", "ruleset")
	if err != nil && !errors.Is(err, exec.ErrNotFound) {
		return "", err
	}
	iptables, err := command("iptables-save")
	if err != nil && !errors.Is(err, exec.ErrNotFound) {
		return "", err
	}
	return nft + iptables, nil
}

// command runs a program of the system and returns what it prints.
func command(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if err == nil {
			break
		}
		path, err = exec.LookPath(dir + name)
	}
	if err != nil {
		return "", exec.ErrNotFound
	}
	out, err := exec.CommandContext(ctx, path, args...).Output()
	return string(out), err
}

// filtered reports whether rules keep the network away from a port: by a rule for input that drops it, or a chain of
// input that drops by default and accepts it nowhere. It knows the ordinary ways to write that; what it does not
// understand is no fence.
func filtered(rules string, port int) bool {
	closed := false
	for _, r := range statements(rules) {
		if r.chain != "input" {
			continue
		}
		if r.policy {
			closed = closed || r.drops
			continue
		}
		switch {
		case !mentions(r.text, port) || narrowed(r.text):
		case r.drops:
			return true
		case r.accepts:
			return false
		}
	}
	return closed
}

// narrowed reports whether a rule is only about some addresses or interfaces, so that it is no fence against the
// others; "not lo" is no such limit.
func narrowed(text string) bool {
	text = regexp.MustCompile(`iif(name)? != "?lo"?|! -i lo`).ReplaceAllString(text, "")
	return regexp.MustCompile(`saddr|iif|skuid|uid-owner| -s | -i `).MatchString(text)
}

// ownerOnly reports whether a rule drops what users other than one send to a port.
func ownerOnly(rules string, port int) bool {
	for _, r := range statements(rules) {
		if r.chain == "output" && mentions(r.text, port) && r.drops &&
			regexp.MustCompile(`skuid != |! --uid-owner `).MatchString(r.text) {
			return true
		}
	}
	return false
}

// statement is one rule, or the policy of a chain.
type statement struct {
	chain                  string // "input", "output": the hook; "" = another
	text                   string
	policy, drops, accepts bool
}

// statements parses what nft list ruleset and iptables-save print.
func statements(rules string) (all []statement) {
	hook := ""
	for line := range strings.Lines(rules) {
		line = strings.TrimSpace(line)
		r := statement{chain: hook, text: line}
		switch f := strings.Fields(line); {
		case len(f) == 0:
			continue
		case f[0] == "chain":
			hook = ""
			continue
		case f[0] == "type" && strings.Contains(line, " hook "):
			hook = strings.Fields(line[strings.Index(line, " hook ")+6:])[0]
			r.chain, r.policy = hook, true
			line = strings.Replace(line, "policy accept", "", 1)
		case f[0] == "-A" && len(f) > 1:
			r.chain = strings.ToLower(f[1])
		case strings.HasPrefix(f[0], ":") && len(f) > 1:
			r.chain, r.policy = strings.ToLower(f[0][1:]), true
		}
		r.drops = regexp.MustCompile(`\b(drop|reject|DROP|REJECT)\b`).MatchString(line)
		r.accepts = !r.drops && regexp.MustCompile(`\b(accept|ACCEPT)\b`).MatchString(line)
		all = append(all, r)
	}
	return all
}

var destination = regexp.MustCompile(`dports? (\{[^}]*\}|[0-9:,-]+)`)

// mentions reports whether a rule is about a destination port, written as 1, 1-2, { 1, 2-3 }, 1:2 or 1,2.
func mentions(rule string, port int) bool {
	m := destination.FindStringSubmatch(rule)
	if m == nil {
		return false
	}
	for _, part := range strings.FieldsFunc(m[1], func(r rune) bool { return strings.ContainsRune("{}, ", r) }) {
		from, to, isRange := strings.Cut(strings.ReplaceAll(part, ":", "-"), "-")
		if !isRange {
			to = from
		}
		low, err1 := strconv.Atoi(from)
		high, err2 := strconv.Atoi(to)
		if err1 == nil && err2 == nil && low <= port && port <= high {
			return true
		}
	}
	return false
}
