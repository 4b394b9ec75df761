// Package flowstest finds settings of a configuration that its program's flows forget.
package flowstest

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"tlagate/cmd/internal/flows"
)

// host is in every address that is tried, and in no flow of its own.
const host = "192.0.2.77"

// addresses are the forms in which a setting may name one.
var addresses = []string{host + ":4077", "http://" + host + ":4077/x", host + "/32"}

// shared are the settings of sections that several programs have, and that name no address.
var shared = []string{"cert", "key", "wrapping_key", "file", "practices", "intermediates", "deny_list", "arl", "state",
	"denials", "answers", "identifier", "form", "profession", "policies", "crypto", "bundle", "socket", "group",
	"manifests", "anchors", "on_mismatch"}

// Complete fails for each setting of the configuration C, of text, that shows in no flow when it names an address, and
// is not among others: those that name none. So it does for one of others that shows, or is none of C.
func Complete[C any](t *testing.T, base C, flowsOf func(C) *flows.List, others ...string) {
	t.Helper()
	var known []string
	for _, s := range settings(reflect.TypeFor[C](), "", nil) {
		known = append(known, s.name)
		last := s.name[strings.LastIndex(s.name, ".")+1:]
		exempt := slices.Contains(others, s.name) || slices.Contains(shared, last)
		if shown := shows(base, flowsOf, s); shown == exempt {
			t.Errorf("setting %s: in the flows: %v; among those without an address: %v", s.name, shown, exempt)
		}
	}
	for _, name := range others {
		if !slices.Contains(known, name) {
			t.Errorf("there is no setting %s", name)
		}
	}
	if len(known) < 5 {
		t.Errorf("cannot find the settings: %v", known)
	}
}

// shows reports whether an address in the setting is in a flow.
func shows[C any](base C, flowsOf func(C) *flows.List, s setting) bool {
	return slices.ContainsFunc(addresses, func(a string) bool {
		c := base
		s.set(reflect.ValueOf(&c).Elem(), a)
		return slices.ContainsFunc(flowsOf(c).Flows, func(f flows.Flow) bool {
			return strings.Contains(f.Source+" "+f.Destination, host)
		})
	})
}

// setting is one that takes text.
type setting struct {
	name string
	path []int // of fields; slices and pointers on the way are passed through
}

// settings returns those below a type.
func settings(of reflect.Type, name string, path []int) (all []setting) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice:
		return settings(of.Elem(), name, path)
	case reflect.String:
		return []setting{{name, slices.Clone(path)}}
	case reflect.Struct:
		for i := range of.NumField() {
			f := of.Field(i)
			key, inline := keyOf(f)
			if key == "-" {
				continue
			}
			below := name
			if !inline {
				below = strings.TrimPrefix(name+"."+key, ".")
			}
			all = append(all, settings(f.Type, below, append(slices.Clone(path), i))...)
		}
	}
	return all
}

// keyOf returns the key of a field in a configuration file; one that is inline has none.
func keyOf(f reflect.StructField) (key string, inline bool) {
	key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	switch {
	case !f.IsExported():
		return "-", false
	case key == "":
		key = strings.ToLower(f.Name)
	}
	return key, options == "inline"
}

// set puts text into the setting, with one element in each list on the way.
func (s setting) set(v reflect.Value, text string) {
	v = through(v)
	for _, i := range s.path {
		v = through(v.Field(i))
	}
	v.SetString(text)
}

// through makes what a pointer or a list holds.
func through(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return through(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		return through(v.Index(0))
	}
	return v
}
