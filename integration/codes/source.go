package codes

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// tree is what the Go files of the module declare.
type tree struct {
	root string
	// PACKAGE.Name and PACKAGE.Type.Method, PACKAGE from the module's root; not of tests
	names     map[string]bool
	functions map[string][]*function // by PACKAGE.Name, tests too; PACKAGE.Method may name several
	tests     map[string][]*function // by their name alone
	fates     map[*function]fate     // of tests, as far as they are known
}

// function is a function of the module: what decides whether a test runs in CI.
type function struct {
	name  string   // PACKAGE.Name
	built bool     // in the build that CI tests
	skips bool     // it may skip the test that calls it
	asks  bool     // it reads a variable of the environment
	uses  []string // keys of tree.functions: what it may call
}

// modulePrefix begins the import paths of the module's packages.
const modulePrefix = "tlagate/"

// readTree reads all Go files below root.
func readTree(root string) (*tree, error) {
	t := &tree{root: root, names: map[string]bool{}, functions: map[string][]*function{},
		tests: map[string][]*function{}, fates: map[*function]fate{}}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && path != root && (name == "testdata" || name == "bin" || name == "dist" ||
			strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(name, ".go"):
			return t.file(path)
		}
		return nil
	})
	return t, err
}

func (t *tree) file(path string) error {
	parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	dir, err := filepath.Rel(t.root, filepath.Dir(path))
	if err != nil {
		return err
	}
	f := file{pkg: filepath.ToSlash(dir), test: strings.HasSuffix(path, "_test.go"), imports: importsOf(parsed)}
	if f.built, err = inCI(path); err != nil {
		return err
	}
	for _, d := range parsed.Decls {
		t.declare(f, d)
	}
	return nil
}

// inCI reports whether `go test ./...`, without our build tags and with cgo, compiles the file.
func inCI(path string) (bool, error) {
	ci := build.Default
	ci.GOOS, ci.GOARCH, ci.CgoEnabled, ci.BuildTags = "linux", "amd64", true, nil
	return ci.MatchFile(filepath.Split(path))
}

// file is what a file's declarations have in common.
type file struct {
	pkg     string
	test    bool
	built   bool
	imports map[string]string // our packages, by the names that they have in the file
}

func importsOf(parsed *ast.File) map[string]string {
	ours := map[string]string{}
	for _, i := range parsed.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		pkg, own := strings.CutPrefix(path, modulePrefix)
		switch {
		case err != nil || !own:
		case i.Name != nil:
			ours[i.Name.Name] = pkg
		default:
			ours[pkg[strings.LastIndex(pkg, "/")+1:]] = pkg
		}
	}
	return ours
}

func (t *tree) declare(f file, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		t.declareFunction(f, d)
	case *ast.GenDecl:
		for _, s := range d.Specs {
			t.declareNames(f, s)
		}
	}
}

func (t *tree) declareNames(f file, s ast.Spec) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		t.name(f, s.Name.Name)
	case *ast.ValueSpec:
		for _, n := range s.Names {
			t.name(f, n.Name)
		}
	}
}

func (t *tree) name(f file, name string) {
	if !f.test {
		t.names[f.pkg+"."+name] = true
	}
}

func (t *tree) declareFunction(f file, d *ast.FuncDecl) {
	name := d.Name.Name
	fn := &function{name: f.pkg + "." + name, built: f.built}
	fn.look(f, d)
	t.functions[fn.name] = append(t.functions[fn.name], fn)
	switch {
	case d.Recv != nil:
		t.name(f, Receiver(d.Recv.List[0].Type)+"."+name)
	case f.test && (strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz")):
		t.tests[name] = append(t.tests[name], fn)
	default:
		t.name(f, name)
	}
}

// Receiver returns the name of a receiver's type, without pointer and parameters.
func Receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return Receiver(e.X)
	case *ast.IndexExpr:
		return Receiver(e.X)
	case *ast.IndexListExpr:
		return Receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// look finds what the function may call, and whether it skips a test or reads the environment. A name counts wherever
// it stands: a function that is passed to another may be called there.
func (fn *function) look(f file, d *ast.FuncDecl) {
	uses := map[string]bool{}
	ast.Inspect(d, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			fn.selected(f, n, uses)
		case *ast.Ident:
			uses[f.pkg+"."+n.Name] = true
		}
		return true
	})
	fn.uses = slices.Collect(maps.Keys(uses))
}

func (fn *function) selected(f file, s *ast.SelectorExpr, uses map[string]bool) {
	of := lastName(s.X)
	if pkg := f.imports[of]; pkg != "" {
		uses[pkg+"."+s.Sel.Name] = true
	}
	switch s.Sel.Name {
	case "Skip", "Skipf", "SkipNow":
		fn.skips = fn.skips || of == "t" || of == "tb" || of == "b"
	case "Getenv", "LookupEnv":
		fn.asks = fn.asks || of == "os"
	}
}

func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// reach returns fn and all functions of the module that it may call, except methods of other packages.
func (t *tree) reach(fn *function) []*function {
	all, seen := []*function{fn}, map[*function]bool{fn: true}
	for i := 0; i < len(all); i++ {
		for _, key := range all[i].uses {
			for _, next := range t.functions[key] {
				if !seen[next] {
					seen[next] = true
					all = append(all, next)
				}
			}
		}
	}
	return all
}

// fate is what CI does with a test.
type fate struct {
	hidden bool // it may never run: another build, or a variable of the environment, decides
	always bool // it runs wherever CI runs: nothing that it calls may skip it
}

func (t *tree) fate(test *function) fate {
	known, ok := t.fates[test]
	if !ok {
		known = fate{hidden: !test.built, always: test.built}
		for _, f := range t.reach(test) {
			known.hidden = known.hidden || f.skips && f.asks
			known.always = known.always && !f.skips
		}
		t.fates[test] = known
	}
	return known
}

// like returns the names that end as name does: where a function may be that was moved.
func (t *tree) like(name string) (found []string) {
	_, last, _ := strings.Cut(name[strings.LastIndex(name, "/")+1:], ".")
	for known := range t.names {
		if strings.HasSuffix(known, "."+last) {
			found = append(found, known)
		}
	}
	slices.Sort(found)
	return found
}
