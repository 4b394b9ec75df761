package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"tlagate/integration/world"
)

// manifest is what deploy/relay/nfpm.yaml says of the relay's package.
type manifest struct {
	Contents []struct {
		Src, Dst, Type string
		FileInfo       struct{ Mode os.FileMode } `yaml:"file_info"`
	}
	Scripts map[string]string
}

// scripts are Debian's names of scripts, by nfpm's.
var scripts = map[string]string{"postinstall": "postinst", "preremove": "prerm", "postremove": "postrm"}

// builtForMachines returns a directory with our programs and the relay's package. dpkg-deb makes that of the same files
// and scripts as the real one: the tool that makes the real one takes minutes to build.
func builtForMachines(t *testing.T, root string) (dir string) {
	dir = t.TempDir()
	bin, err := world.Binaries()
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(dir, os.DirFS(bin)))
	raw, err := os.ReadFile(filepath.Join(root, "deploy/relay/nfpm.yaml"))
	require.NoError(t, err)
	var m manifest
	require.NoError(t, yaml.Unmarshal(raw, &m))
	tree := filepath.Join(t.TempDir(), "tla-relay")
	m.layOut(t, root, dir, tree)
	arch, err := world.Run(patience, nil, "dpkg", "--print-architecture")
	require.NoError(t, err)
	m.control(t, root, tree, strings.TrimSpace(arch))
	deb := filepath.Join(dir, "tla-relay_0_"+strings.TrimSpace(arch)+".deb")
	_, err = world.Run(blockTime, nil, "dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, deb)
	require.NoError(t, err)
	return dir
}

// layOut copies the package's files; those that are written when the real package is made are empty here.
func (m manifest) layOut(t *testing.T, root, bin, tree string) {
	for _, c := range m.Contents {
		src := filepath.Join(root, c.Src)
		if name, ours := strings.CutPrefix(c.Src, "${DIST}"); ours {
			src = filepath.Join(bin, name)
		}
		var text []byte
		if !strings.HasPrefix(c.Src, "${SCRATCH}") {
			var err error
			text, err = os.ReadFile(src)
			require.NoError(t, err)
		}
		to := filepath.Join(tree, c.Dst)
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
		require.NoError(t, os.WriteFile(to, text, c.FileInfo.Mode))
	}
}

// control writes the control file and the scripts.
func (m manifest) control(t *testing.T, root, tree, arch string) {
	dir := filepath.Join(tree, "DEBIAN")
	require.NoError(t, os.Mkdir(dir, 0o755))
	text := "Package: tla-relay\nVersion: 0\nArchitecture: " + arch + "\n" +
		"Maintainer: of a test <test@tlagate.invalid>\nDescription: relay\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "control"), []byte(text), 0o644))
	conf := ""
	for _, c := range m.Contents {
		if c.Type == "config" {
			conf += c.Dst + "\n"
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "conffiles"), []byte(conf), 0o644))
	for name, src := range m.Scripts {
		script, err := os.ReadFile(filepath.Join(root, src))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, scripts[name]), script, 0o755))
	}
}
