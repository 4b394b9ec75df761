package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"tlagate/pki/listen"
)

// published is all that the public listener serves, and its types (RFC 2585).
var published = map[string]string{
	"crl.der":     "application/pkix-crl",
	"arl.der":     "application/pkix-crl",
	"issuing.cer": "application/pkix-cert",
	"root.cer":    "application/pkix-cert",
}

// publicRoom has the connections to the public listener.
func (s *Server) publicRoom() *listen.Room {
	return listen.NewRoom(listen.RoomConfig{Places: s.cfg.Public})
}

func (s *Server) publicServer() *http.Server {
	return &http.Server{
		Handler:           s.newFiles(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      5 * time.Minute,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// files serves the published files from memory, read again when they are replaced.
type files struct {
	place  func(name string) string
	ration *listen.Ration // of the log: anybody may ask

	mu   sync.Mutex
	held map[string]*file
}

func (s *Server) newFiles() *files {
	return &files{place: s.cfg.CA.Public, ration: s.ration, held: map[string]*file{}}
}

// file is one content of a published file.
type file struct {
	info fs.FileInfo
	data []byte
	etag string
}

// ServeHTTP answers GET and HEAD for the published names, with If-None-Match and If-Modified-Since.
func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	kind, known := published[name]
	if !known {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	now, err := f.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		f.ration.Log(listen.Line{Level: slog.LevelError, Message: "cannot serve a published file",
			Reason: "not_available", Kind: name}, "file", name, "error", err)
		http.Error(w, "not available", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("ETag", now.etag)
	w.Header().Set("Cache-Control", "public, max-age=60")
	http.ServeContent(w, r, "", now.info.ModTime(), bytes.NewReader(now.data))
}

// read returns the present content. Files are replaced whole, by rename, so a new one is another file.
func (f *files) read(name string) (*file, error) {
	info, err := os.Stat(f.place(name))
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if held := f.held[name]; held != nil && os.SameFile(held.info, info) && held.info.ModTime().Equal(info.ModTime()) &&
		held.info.Size() == info.Size() {
		return held, nil
	}
	now, err := load(f.place(name))
	if err == nil {
		f.held[name] = now
	}
	return now, err
}

func load(path string) (*file, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, info.Size())
	if n, err := in.ReadAt(data, 0); n < len(data) {
		return nil, err
	}
	sum := sha256.Sum256(data)
	return &file{info, data, `"` + hex.EncodeToString(sum[:16]) + `"`}, nil
}
