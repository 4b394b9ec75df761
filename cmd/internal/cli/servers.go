package cli

import (
	"errors"
	"reflect"

	"go.yaml.in/yaml/v3"

	"tlagate/internal/address"
)

// Server is the address of a server that must prove a name, as [address.Server] reads it. In a file the name may stand
// beside the address, which may then be an IP address:
//
//	pki.internal:8445
//	{address: "192.0.2.7:8445", name: pki.internal}
type Server string

// UnmarshalYAML reads both forms.
func (s *Server) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		return node.Decode((*string)(s))
	}
	var both struct{ Address, Name string }
	var check keyCheck
	if check.node(node, reflect.TypeOf(both), ""); len(check.faults) > 0 {
		return errors.Join(check.faults...)
	}
	if err := node.Decode(&both); err != nil || both.Address == "" || both.Name == "" {
		return errors.New("want HOST:PORT, or {address: HOST:PORT, name: NAME IN ITS CERTIFICATE}")
	}
	*s = Server(address.Beside(both.Name, both.Address))
	return nil
}

// Servers is a list of Server.
type Servers []Server

// ServersOf returns a bundle's list as Servers.
func ServersOf(list []string) (all Servers) {
	for _, s := range list {
		all = append(all, Server(s))
	}
	return all
}

// Texts returns the list as strings, for address.Servers.
func (s Servers) Texts() (list []string) {
	for _, one := range s {
		list = append(list, string(one))
	}
	return list
}
