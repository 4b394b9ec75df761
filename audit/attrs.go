package audit

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tlagate/internal/stamp"
)

// Attr is an attribute of an event. Only the functions of this file make one.
type Attr struct{ name, value string }

// Bounds of a value, in octets. A longer one is cut and ends in "…".
const (
	maxValue = 512
	maxList  = 4096

	maxSealed = 8192
)

// attrNames is the allowlist, and says what each attribute is. docs/audit.md has the same rows, and a test keeps them
// equal.
var attrNames = map[string]string{
	"serial":        "serial number of a certificate, hexadecimal",
	"fingerprint":   "SHA-256 of a certificate (DER), of a public key (SPKI, DER) or of a file, hexadecimal",
	"identity":      "whom a certificate names: urn:tlagate:…, of a CA its name",
	"file":          "name of a file",
	"reason":        "why: a code or a sentence of ours",
	"version":       "version of a program, bundle, format, or what a manifest is of",
	"manifest":      "name of a signed manifest (docs/integrity.md)",
	"from":          "what it was before",
	"to":            "what it is now",
	"use":           "what a key, certificate or anchor is for",
	"until":         "end of validity, RFC 3339",
	"count":         "how many",
	"names":         "a list, separated by comma and space",
	"profile":       "profile of an issued certificate",
	"user":          "account of the operating system that ran the program",
	"number":        "number of a published list, a line of the trace, an invitation, or an act that waits",
	"store":         "where a key lives: file, pkcs11, tpm",
	"gateway":       "host and port of a gateway",
	"session":       "id of a session, hexadecimal",
	"pdt":           "the PdT of a session: its URN, or as its user named it",
	"act":           "what somebody did: behind a session command or key, of an operator hold, release …",
	"code":          "why a session ended or did not start (docs/control.md)",
	"peer":          "who refused or was refused: an identity, or a role while it is not proven",
	"incident":      "number that the user was told",
	"instance":      "beginning of what a running program calls itself, hexadecimal; none: it says nothing",
	"address":       "IP address of a peer",
	"network":       "the /24 or /48 that an address belongs to",
	"role":          "role that a certificate gives, or an operator has",
	"practice":      "practice of a peer",
	"group":         "key exchange that the handshake agreed on",
	"suite":         "cipher suite that the handshake agreed on",
	"source":        "where it is known from whether a certificate is revoked: crl, ocsp …",
	"age":           "age of that knowledge, seconds",
	"length":        "how long it lasted, seconds",
	"commands":      "how many commands of programs a card executed, as an end counts them",
	"from_tla":      "octets that the terminal sent",
	"from_pdt":      "octets that the Poste de Travail sent",
	"request":       "path of a request, without /v1/",
	"event":         "kind of the events that are counted",
	"hash":          "SHA-256 of a line of the trace, hexadecimal",
	"certificate":   "a certificate, DER in base64url, with whose key the line is signed",
	"signature":     "signature over what the line says (docs/audit.md), base64url",
	"person":        "who uses the terminal: HMAC of the national identifier (docs/audit.md), hexadecimal",
	"person_sealed": "the same identifier, encrypted with age for security officers, base64url",
	"proof":         "what came of the proof of a terminal's user: passed, or the word for why not",
	"statement":     "signed consent of a terminal's user, whole (docs/protocol.md, section 1.3)",
}

// Serial returns a certificate's serial number as an attribute, like the other functions here.
func Serial(n *big.Int) Attr {
	if n == nil {
		return text("serial", "")
	}
	return text("serial", n.Text(16))
}

// SerialText is a serial number in hexadecimal.
func SerialText(hexadecimal string) Attr { return text("serial", onlyHex(hexadecimal)) }

// Fingerprint is the SHA-256 of a certificate (DER), a public key (SPKI, DER) or a file's content; never of a secret.
func Fingerprint(of []byte) Attr {
	sum := sha256.Sum256(of)
	return text("fingerprint", hex.EncodeToString(sum[:]))
}

// Digest is a SHA-256.
func Digest(sum [32]byte) Attr { return text("fingerprint", hex.EncodeToString(sum[:])) }

// Identity is whom the event is about: a URN, or the name of a CA.
func Identity(urn string) Attr { return text("identity", urn) }

// File is the name of a file, or where a key is. It leaves out the query of a PKCS#11 URI, which may hold a PIN.
func File(name string) Attr {
	if strings.HasPrefix(strings.ToLower(name), "pkcs11:") {
		name, _, _ = strings.Cut(name, "?")
		name, _, _ = strings.Cut(name, "pin-")
	}
	return text("file", name)
}

// Reason is a code or a sentence of ours; never a peer's text, nor one that quotes an input.
func Reason(why string) Attr { return text("reason", why) }

// Version is the version of a program, a bundle, a format, or of what a manifest is of.
func Version(v string) Attr { return text("version", v) }

// Manifest is the name of a signed manifest.
func Manifest(name string) Attr { return text("manifest", name) }

// From is the value before a change.
func From(old string) Attr { return text("from", old) }

// To is the value after a change.
func To(now string) Attr { return text("to", now) }

// Use is what a key, certificate or anchor is for: "client", "server", "anchor" …
func Use(use string) Attr { return text("use", use) }

// Until is an end of validity.
func Until(t time.Time) Attr { return text("until", stamp.Instant(t)) }

// Count is how many.
func Count(n int) Attr { return text("count", strconv.Itoa(n)) }

// Names is a list of names; [Lists] cuts a long one into several.
func Names(names []string) Attr {
	return Attr{"names", clean(strings.Join(names, ", "), maxList)}
}

// Profile is a profile of the CA.
func Profile(name string) Attr { return text("profile", name) }

// User is an account of the operating system.
func User(name string) Attr { return text("user", name) }

// Account returns, as an attribute, the account that runs this program; behind sudo, the caller's too. Call it before
// the program becomes another account.
func Account() Attr {
	who := accountName(os.Getuid())
	if caller, err := strconv.Atoi(os.Getenv("SUDO_UID")); err == nil {
		who += ", sudo by " + accountName(caller)
	}
	return User(who)
}

// accountName returns the name of an account, or "uid 12347" for one that has none.
func accountName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(uid)
}

// Number is the number of a published list.
func Number(n int64) Attr { return text("number", strconv.FormatInt(n, 10)) }

// Store is where a key lives: "file", "pkcs11" or "tpm".
func Store(kind string) Attr { return text("store", kind) }

// Gateway is the host and port of a gateway.
func Gateway(address string) Attr { return text("gateway", address) }

// Session is the id of a session.
func Session(id string) Attr { return text("session", id) }

// PdT is the PdT of a session.
func PdT(name string) Attr { return text("pdt", name) }

// Act is what somebody did: a user at the terminal, or an operator.
func Act(kind string) Attr { return text("act", kind) }

// Code is why a session ended or did not start.
func Code(code string) Attr { return text("code", code) }

// Peer is who refused, or was refused.
func Peer(who string) Attr { return text("peer", who) }

// Incident is a number that the user was told.
func Incident(number string) Attr { return text("incident", number) }

// Instance is the beginning of what a running program calls itself.
func Instance(short string) Attr { return text("instance", short) }

// Address is the IP address of a peer, without its port.
func Address(ip string) Attr { return text("address", ip) }

// Network is the /24 or /48 that an address belongs to.
func Network(prefix string) Attr { return text("network", prefix) }

// Role is the role of a peer, or of an operator.
func Role(role string) Attr { return text("role", role) }

// Practice is the practice of a peer.
func Practice(name string) Attr { return text("practice", name) }

// Group is the key exchange of a handshake.
func Group(name string) Attr { return text("group", name) }

// Suite is the cipher suite of a handshake.
func Suite(name string) Attr { return text("suite", name) }

// Source is where it is known from whether a certificate is revoked.
func Source(kind string) Attr { return text("source", kind) }

// Age is the age of what is known, in whole seconds.
func Age(d time.Duration) Attr { return seconds("age", d) }

// Length is how long something lasted, in whole seconds.
func Length(d time.Duration) Attr { return seconds("length", d) }

func seconds(name string, d time.Duration) Attr {
	return text(name, strconv.FormatInt(int64(d/time.Second), 10))
}

// Commands is how many commands of programs a card executed.
func Commands(n uint64) Attr { return text("commands", strconv.FormatUint(n, 10)) }

// FromTLA and FromPdT are the octets that an end of a session sent.
func FromTLA(octets int64) Attr { return text("from_tla", strconv.FormatInt(octets, 10)) }
func FromPdT(octets int64) Attr { return text("from_pdt", strconv.FormatInt(octets, 10)) }

// Request is the path of a request.
func Request(path string) Attr { return text("request", path) }

// Hash is the hash of a line of the trace, in hexadecimal.
func Hash(of string) Attr { return text("hash", onlyHex(of)) }

// Of is the kind of the events that a line counts.
func Of(kind Kind) Attr { return text("event", string(kind)) }

// Proof is what came of the proof of a terminal's user, in a word of ours.
func Proof(outcome string) Attr { return text("proof", outcome) }

// Signer is a certificate with whose key a line is signed, whole.
func Signer(c *x509.Certificate) Attr {
	return Attr{"certificate", clean(base64.RawURLEncoding.EncodeToString(c.Raw), maxList)}
}

// Signature is a signature over what the line says.
func Signature(base64url string) Attr { return Attr{"signature", clean(base64url, maxList)} }

// Statement is a signed consent as it came, which can be verified again with the event's certificate (C4).
func Statement(signed string) Attr { return Attr{"statement", clean(signed, maxList)} }

// Person is the mark of who uses a terminal, and PersonSealed their identifier for security officers alone (package
// persons).
func Person(mark string) Attr { return text("person", onlyHex(mark)) }
func PersonSealed(base64url string) Attr {
	return Attr{"person_sealed", clean(base64url, maxSealed)}
}

// Consent is what a user's consent to a session says, and its proof: the statement as it came, and the certificate of
// the terminal whose key signed it (C4).
func Consent(signer *x509.Certificate, session, pdt, act, user, statement string) []Attr {
	return append(Certificate(signer), Session(session), PdT(pdt), Act(act), User(user), Statement(statement))
}

// By is the identity whose act the event is, when it is not the log's own program.
func By(who string) Attr { return text(by, who) }

// by is the attribute that has a field of its own in the line.
const by = "by"

// Certificate identifies a certificate: by serial number, fingerprint, identity and end.
func Certificate(c *x509.Certificate) []Attr {
	return []Attr{Serial(c.SerialNumber), Fingerprint(c.Raw), Identity(identityOf(c)), Until(c.NotAfter)}
}

func identityOf(c *x509.Certificate) string {
	for _, u := range c.URIs {
		if u.Scheme == "urn" {
			return u.String()
		}
	}
	return c.Subject.CommonName
}

// Lists divides names into lists that each fit into one event: at most 50 names, none cut unless it alone is too long.
func Lists(names []string) (lists [][]string) {
	const most = 50
	var now []string
	size := 0
	for _, n := range names {
		n = clean(n, maxValue)
		if len(now) == most || size+len(n)+2 > maxList {
			lists, now, size = append(lists, now), nil, 0
		}
		now, size = append(now, n), size+len(n)+2
	}
	if len(now) > 0 {
		lists = append(lists, now)
	}
	return lists
}

func text(name, value string) Attr { return Attr{name, clean(value, maxValue)} }

// clean returns s as valid UTF-8 without control or format characters, cut to limit octets.
func clean(s string, limit int) string {
	const ellipsis = "…"
	s = strings.Map(printable, strings.ToValidUTF8(s[:min(len(s), 2*limit)], "\ufffd"))
	if len(s) <= limit {
		return s
	}
	end := limit - len(ellipsis)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

func printable(r rune) rune {
	if r != ' ' && !unicode.IsGraphic(r) {
		return '\ufffd'
	}
	return r
}

func onlyHex(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// collect returns what a line says of attributes; who is the value of by, "" = none.
func collect(attrs []Attr) (with map[string]string, who string, err error) {
	with = map[string]string{}
	for _, a := range attrs {
		_, twice := with[a.name]
		switch _, known := attrNames[a.name]; {
		case a.name == by:
			who = a.value
		case a.name == said: // saidIn
		case !known:
			return nil, "", fmt.Errorf("attribute %q is none of this package's", a.name)
		case twice:
			return nil, "", fmt.Errorf("attribute %q is given twice", a.name)
		case a.value != "":
			with[a.name] = a.value
		}
	}
	return with, who, nil
}
