// Package api is the gateway's HTTP API for its operators (annex codes SP3, SA1, SA2; docs/api.md): who is there, what
// happens, and the acts of an operator, under /api/v1.
//
// Who asks is proven or has little: a certificate of role admin, checked as that of any peer and again at each request,
// has the roles that the configuration gives its name; whoever can connect to the Unix socket has the role read alone,
// but for root, who may break the glass, with a reason. One table (roles.go) says which role may do what, another
// (routes.go) which path does it. Acts are recorded before they are done.
package api
