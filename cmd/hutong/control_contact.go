package main

import (
	"archive/zip"
	"io"
	"net/http"

	"github.com/hutong-im/hutong/internal/httpx"
)

func (c control) stock(w http.ResponseWriter, r *http.Request) error {
	id, err := parseContact(r.PathValue("id"))
	if err != nil {
		return err
	}
	s, err := c.people.Stock(r.Context(), operator(r), id)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, viewStock(s))
	return nil
}

func (c control) erase(w http.ResponseWriter, r *http.Request) error {
	id, err := parseContact(r.PathValue("id"))
	if err != nil {
		return err
	}
	s, err := c.people.Erase(r.Context(), operator(r), id, c.bridge.Forget)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, viewStock(s))
	return nil
}

// export streams a zip file.
func (c control) export(w http.ResponseWriter, r *http.Request) error {
	id, err := parseContact(r.PathValue("id"))
	if err != nil {
		return err
	}
	out := zip.NewWriter(begin(w))
	if err := c.people.Export(r.Context(), operator(r), id, zipSink{out}); err != nil {
		return err
	}
	return out.Close()
}

// zipSink is a people.Sink.
type zipSink struct{ *zip.Writer }

func (z zipSink) Create(name string) (io.Writer, error) { return z.Writer.Create(name) }

// begin prepares an answer that is sent while it is made. An error before its first byte is answered
// as any other; after that it follows in the trailer, because "200 OK" has gone out already.
func begin(w http.ResponseWriter) io.Writer {
	return &late{ResponseWriter: w}
}

// late tells refuse, by the trailer that it announces, that the answer has begun.
type late struct {
	http.ResponseWriter
	begun bool
}

func (l *late) Write(b []byte) (int, error) {
	if !l.begun {
		l.begun = true
		l.Header().Set("Content-Type", "application/octet-stream")
		l.Header().Set("Trailer", errorTrailer)
	}
	return l.ResponseWriter.Write(b)
}
