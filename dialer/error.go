package dialer

import (
	"context"
	"errors"
	"fmt"
)

// Reason is the one stable word for why a proxy did not carry a connection (docs/control.md).
type Reason string

// The reasons.
const (
	Unreachable  Reason = "unreachable"  // the proxy itself does not answer
	NoPassword   Reason = "no_password"  // its password cannot be read here
	Credentials  Reason = "credentials"  // it demands a user and password, or others: 407, or 401
	OtherScheme  Reason = "auth_scheme"  // it demands another authentication than Basic: NTLM, Negotiate, Digest
	Portal       Reason = "portal"       // it redirects to a web page, most likely for a login: 3xx, or 511 (RFC 6585)
	Denied       Reason = "denied"       // it does not connect to this address: 4xx
	TargetFailed Reason = "target"       // it cannot reach the address: 5xx
	NoHTTP       Reason = "no_proxy"     // what answers is no HTTP proxy
	Slow         Reason = "slow"         // it did not answer in time
	Closed       Reason = "disconnected" // it closed the connection instead of answering
)

// Reasons lists all reasons.
var Reasons = []Reason{Unreachable, NoPassword, Credentials, OtherScheme, Portal, Denied,
	TargetFailed, NoHTTP, Slow, Closed}

// ProxyError says that the proxy did not carry a connection. It never holds a user or password.
type ProxyError struct {
	Proxy  string // host:port
	Target string // host:port
	Reason Reason
	Status int   // of HTTP; 0 = there was no answer
	Cause  error // nil = Reason says it all
}

// hints say what is wrong and what to do.
var hints = map[Reason]string{
	Unreachable: "it does not answer; check its address in proxy, and the network",
	NoPassword:  "its password cannot be read; see proxy_password",
	Credentials: "it does not take our user and password; set proxy: http://USER@HOST:PORT and proxy_password",
	OtherScheme: "it takes no Basic authentication (NTLM, Negotiate or Digest alone); " +
		"ask its operator for an account with Basic, or an exception for this address",
	Portal: "it sends us to a web page: the network wants a login first, most likely; " +
		"open a web page from this network, or ask its operator",
	Denied:       "it refuses; ask its operator to allow CONNECT to this address and port",
	TargetFailed: "it cannot reach the address itself; check the address, and ask the proxy's operator",
	NoHTTP:       "what answers there is no HTTP proxy; check its address in proxy",
	Slow:         "there was no answer in time; check that both are up",
	Closed:       "it closed the connection; look into its log",
}

func (e *ProxyError) Error() string {
	text := fmt.Sprintf("cannot connect to %s through the proxy %s: %s", e.Target, e.Proxy, hints[e.Reason])
	if e.Status != 0 {
		text += fmt.Sprintf(" (HTTP %d)", e.Status)
	}
	if e.Cause != nil {
		text += " (" + e.Cause.Error() + ")"
	}
	return text
}

// Unwrap returns the cause.
func (e *ProxyError) Unwrap() error { return e.Cause }

func (p *Proxy) failed(why Reason, target string, cause error) *ProxyError {
	return &ProxyError{Proxy: p.Address, Target: target, Reason: why, Cause: cause}
}

// silent returns the error for a connection to the proxy that ended, or fell silent.
func (p *Proxy) silent(ctx context.Context, target string, err error) *ProxyError {
	if ctx.Err() != nil {
		return p.failed(Slow, target, context.Cause(ctx))
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return p.failed(Slow, target, err)
	}
	return p.failed(Closed, target, err)
}

// refused returns the error for an answer other than 200. Redirects are not followed; 1xx and other 2xx open no
// connection.
func (p *Proxy) refused(a answer, target string) *ProxyError {
	why, status := NoHTTP, a.status
	switch {
	case (status == 407 || status == 401) && !a.takesBasic():
		why = OtherScheme
	case status == 407 || status == 401: // tinyproxy says 401
		why = Credentials
	case status >= 300 && status < 400 || status == 511:
		why = Portal
	case status >= 400 && status < 500:
		why = Denied
	case status >= 500:
		why = TargetFailed
	}
	return &ProxyError{Proxy: p.Address, Target: target, Reason: why, Status: status}
}
