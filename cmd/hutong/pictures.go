package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	qrcode "github.com/skip2/go-qrcode"

	"github.com/hutong-im/hutong/bridge"
)

// picture serves a customer's picture at the address that a label gave to a workspace.
func (o *office) picture(w http.ResponseWriter, r *http.Request) {
	data, typ, err := o.bridge.Avatar(r.PathValue("name"))
	if err != nil || typ == "" {
		http.NotFound(w, r)
		return
	}
	writePicture(w, typ, data)
}

// code serves the QR code of a card. Who knows the card's name may see it: the code says no more.
func (o *office) code(w http.ResponseWriter, r *http.Request) {
	id, ok := strings.CutSuffix(r.PathValue("name"), ".png")
	if !ok {
		http.NotFound(w, r)
		return
	}
	address, err := o.cardAddress(r.Context(), bridge.CardID(id))
	if errors.Is(err, bridge.ErrNotFound) {
		http.NotFound(w, r)
		return
	}
	var png []byte
	if err == nil {
		png, err = qrcode.Encode(address, qrcode.Medium, pixels)
	}
	if err != nil {
		http.Error(w, "the code cannot be shown now", http.StatusServiceUnavailable)
		return
	}
	writePicture(w, "image/png", png)
}

// cardAddress is where a card's code leads: to the page that shows all ways to open it, else to the first way.
func (o *office) cardAddress(ctx context.Context, id bridge.CardID) (string, error) {
	v, err := o.bridge.Lobby("", "").Card(ctx, id)
	if err != nil {
		return "", err
	}
	for _, way := range v.Ways {
		if way.Kind == "webchat" {
			return way.URL, nil
		}
	}
	if len(v.Ways) == 0 {
		return "", bridge.ErrNotFound
	}
	return v.Ways[0].URL, nil
}

func writePicture(w http.ResponseWriter, typ string, data []byte) {
	h := w.Header()
	h.Set("Content-Type", typ)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cache-Control", "private, max-age=86400")
	_, _ = w.Write(data) //nolint:gosec // a picture, and sent as one
}
