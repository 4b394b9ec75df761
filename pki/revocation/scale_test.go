package revocation_test

import (
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/crl"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// scaleBed is a PKI for trust stores with a long CRL, and a peer to verify.
type scaleBed struct {
	ca    *pkitest.PKI
	files pkitest.Files
	chain []*x509.Certificate
}

func newScaleBed(t testing.TB) *scaleBed {
	p := pkitest.New(t)
	return &scaleBed{p, p.WriteTrust(t.TempDir()),
		pkitest.Chain(p.Issue("urn:tlagate:cab1:tla:t1", x509.ExtKeyUsageClientAuth))}
}

func (s *scaleBed) open(t testing.TB, crl string) *trust.Trust {
	trust, err := trust.Open(trust.Config{
		Anchors:       []trust.AnchorFile{{File: s.files.Anchor, Practices: []string{"*"}}},
		Intermediates: []string{s.files.Intermediate},
		Revocation:    revocation.Config{CRLs: []string{s.files.ARL, crl}},
	})
	require.NoError(t, err)
	return trust
}

func (s *scaleBed) verify(t testing.TB, store *trust.Trust) {
	_, err := store.VerifyKnown(s.chain, trust.Want{Usage: x509.ExtKeyUsageClientAuth})
	require.NoError(t, err)
}

// inUse returns the octets of heap in use after a collection.
func inUse() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkCRLMillion loads a CRL with a million entries, reports how much memory it keeps, and looks serials up.
func BenchmarkCRLMillion(b *testing.B) {
	s := newScaleBed(b)
	der := s.ca.Issuing.CRL(pkitest.CRLEntries(pkitest.Million()))
	b.Logf("%d entries are %d MB of DER", pkitest.Million(), len(der)>>20)
	for _, form := range []string{"der", "pem"} {
		file := filepath.Join(b.TempDir(), "big."+form)
		data := der
		if form == "pem" {
			data = pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
		}
		require.NoError(b, os.WriteFile(file, data, 0o600))
		b.Run("load "+form, func(b *testing.B) {
			for b.Loop() {
				before := inUse()
				begun := time.Now()
				trust := s.open(b, file)
				b.ReportMetric(time.Since(begun).Seconds()*1000, "ms/load")
				s.verify(b, trust)
				b.ReportMetric((inUse()-before)/1e6, "MB-kept")
				runtime.KeepAlive(trust)
			}
		})
	}
	b.Run("look up", func(b *testing.B) {
		list, err := crl.Read(der)
		require.NoError(b, err)
		absent := new(big.Int).SetBytes(s.chain[0].SerialNumber.Bytes())
		list.Has(absent) // which makes the index
		for b.Loop() {
			if list.Has(absent) {
				b.Fatal("found")
			}
		}
	})
}

// BenchmarkCRLRefresh reports how long verifications take while a list of a million entries is read again beside them.
func BenchmarkCRLRefresh(b *testing.B) {
	s := newScaleBed(b)
	entries := pkitest.CRLEntries(pkitest.Million())
	lists := [][]byte{s.ca.Issuing.CRL(entries), s.ca.Issuing.CRL(entries)}
	file := filepath.Join(b.TempDir(), "big.der")
	write := func(i int) {
		require.NoError(b, os.WriteFile(file+".new", lists[i], 0o600))
		require.NoError(b, os.Rename(file+".new", file))
	}
	for b.Loop() {
		write(0)
		trust := s.open(b, file)
		s.verify(b, trust)
		write(1)
		done := make(chan struct{})
		go func() { trust.Reload(); close(done) }()
		var times []time.Duration
		for running := true; running; {
			begun := time.Now()
			s.verify(b, trust)
			times = append(times, time.Since(begun))
			select {
			case <-done:
				running = false
			default:
			}
		}
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)/2].Nanoseconds())/1e3, "µs-p50")
		b.ReportMetric(float64(times[len(times)*99/100].Nanoseconds())/1e3, "µs-p99")
		b.ReportMetric(float64(times[len(times)-1].Nanoseconds())/1e6, "ms-longest")
	}
}

// A serial is found in a long list from a URL; a URL that has nothing new is not read a second time.
func TestLongCRL(t *testing.T) {
	s := newScaleBed(t)
	revoked := s.ca.Issue("urn:tlagate:cab1:tla:t2", x509.ExtKeyUsageClientAuth).Leaf
	s.ca.Issuing.Revoke(revoked)
	der := s.ca.Issuing.CRL(pkitest.CRLEntries(20_000))
	bodies := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		bodies++
		_, _ = w.Write(der)
	}))
	defer server.Close()
	store := s.open(t, server.URL)
	s.verify(t, store)
	changed := store.Changed()
	store.Reload()
	require.Equal(t, 1, bodies)
	select {
	case <-changed:
		t.Fatal("nothing changed")
	default:
	}
	_, err := store.Verify(append([]*x509.Certificate{revoked}, s.chain[1:]...),
		trust.Want{Usage: x509.ExtKeyUsageClientAuth})
	require.Equal(t, pki.Revoked, pki.ReasonOf(err))
}
