package keys

import (
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/windowstpm"
)

// openTPM opens the TPM through Windows' TPM base services, which know only one.
func openTPM(name string) (transport.TPMCloser, error) {
	if name != "" {
		return nil, errors.New("Windows has one TPM only: leave ?device= out")
	}
	device, err := windowstpm.Open()
	if err != nil {
		return nil, fmt.Errorf("the TPM cannot be opened: %w", err)
	}
	return device, nil
}
