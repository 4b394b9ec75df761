package trust_test

import (
	"testing"

	"tlagate/pki/trust"
)

func FuzzServerHello(f *testing.F) {
	f.Add(serverHello(0x1301, 0x0304))
	f.Add(serverHello(0xc02b, 0))
	f.Fuzz(func(t *testing.T, stream []byte) { trust.ParseServerHello(stream) })
}
