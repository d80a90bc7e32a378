package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hutong-im/hutong/people"
)

func TestCodesAndPictures(t *testing.T) {
	o := smallOffice(t, nil)
	card, _, err := o.people.FirstCard(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.people.NewCard(t.Context(), people.System(), people.CardWish{Member: card.Member}); err != nil {
		t.Fatal(err)
	}
	web := o.web(prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	for path, want := range map[string]int{
		"/qr/" + string(card.ID) + ".png": http.StatusOK,
		"/qr/" + string(card.ID):          http.StatusNotFound,
		"/qr/NOSUCHCARD.png":              http.StatusNotFound,
		"/avatar/abc.def":                 http.StatusNotFound,
		"/avatar/":                        http.StatusNotFound,
	} {
		rec := httptest.NewRecorder()
		web.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		if rec.Code != want {
			t.Errorf("GET %s = %d, want %d", path, rec.Code, want)
		}
		if want == http.StatusOK && (!strings.HasPrefix(rec.Body.String(), "\x89PNG") || rec.Header().Get("Content-Type") != "image/png") {
			t.Errorf("GET %s is no picture", path)
		}
	}
}
