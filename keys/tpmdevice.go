//go:build !windows

package keys

import (
	"fmt"
	"strings"

	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxtpm"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"
)

// openTPM opens a device, or the socket of an emulator: "unix:/path".
func openTPM(name string) (transport.TPMCloser, error) {
	if name == "" {
		name = tpmDevice
	}
	open := linuxtpm.Open
	path, isSocket := strings.CutPrefix(name, "unix:")
	if isSocket {
		open = linuxudstpm.Open
	}
	device, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("the TPM %s cannot be opened (may this program's user use it? its group is often "+
			"tss): %w", name, err)
	}
	return device, nil
}
