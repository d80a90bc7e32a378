package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/config"
)

// posts are the adapters of one config, and the addresses that they serve. A reload makes new ones.
type posts struct {
	adapters map[string]bridge.Adapter
	pages    http.Handler // the adapters' own pages and hooks
}

// open opens the adapters of the list, takes over those that are kept, and lays out their addresses.
// Its error is config.Mistakes: all that stands in the way.
func (o *office) open(c *config.Config, list []config.Adapter, keep map[string]bridge.Adapter, log *slog.Logger) (*posts, error) {
	p := &posts{adapters: maps.Clone(keep)}
	if p.adapters == nil {
		p.adapters = map[string]bridge.Adapter{}
	}
	var mistakes config.Mistakes
	for _, a := range list {
		adapter, err := a.Config.Open(bridge.Env{
			Name: a.Name, Log: log.With("adapter", a.Name), HTTP: networkClient(),
			State: o.store.KV("adapter/" + a.Name), Lobby: o.bridge.Lobby(a.Name, a.Kind), Now: o.now,
		})
		if err != nil {
			mistakes = append(mistakes, adopted(c, a.Name, err)...)
			continue
		}
		p.adapters[a.Name] = adapter
	}
	mux, clashes := lay(p.adapters)
	for _, name := range slices.Sorted(maps.Keys(clashes)) {
		mistakes = append(mistakes, adopted(c, name, clashes[name])...)
	}
	if len(mistakes) > 0 {
		return nil, mistakes
	}
	p.pages = mux
	return p, nil
}

// adopted is an error of an adapter as mistakes of its place in the config.
func adopted(c *config.Config, name string, err error) config.Mistakes {
	list, _ := errors.AsType[config.Mistakes](c.Adopt("adapters."+name, err))
	return list
}

// networkClient is what an adapter speaks to its network with. The limit of a whole exchange leaves
// room for the largest file on a slow line; what hangs is noticed by the narrower ones.
func networkClient() *http.Client {
	return &http.Client{
		Timeout: 5 * time.Minute,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: 60 * time.Second,
			ExpectContinueTimeout: time.Second,
			IdleConnTimeout:       90 * time.Second,
			MaxIdleConnsPerHost:   32,
			ForceAttemptHTTP2:     true,
		},
	}
}

// house is who serves the addresses that belong to no adapter.
const house = "the gateway itself"

// lay gives every adapter's pages their address. What two want is an error of the second, by name.
func lay(list map[string]bridge.Adapter) (*http.ServeMux, map[string]error) {
	mux, clashes := http.NewServeMux(), map[string]error{}
	taken := []claim{}
	for _, pattern := range ownPatterns() {
		taken = append(taken, claim{house, pattern})
	}
	for _, name := range slices.Sorted(maps.Keys(list)) {
		if hooked, ok := list[name].(bridge.Hooked); ok {
			hook := hooked.Hook()
			mux.Handle("/hook/"+name, hook)
			mux.Handle("/hook/"+name+"/", hook)
		}
		paged, ok := list[name].(bridge.Paged)
		if !ok {
			continue
		}
		for _, page := range paged.Pages() {
			mine := claim{name, page.Pattern}
			if err := mine.against(taken); err != nil {
				clashes[name] = errors.Join(clashes[name], err)
				continue
			}
			taken = append(taken, mine)
			mux.Handle(page.Pattern, page.Handler)
		}
	}
	return mux, clashes
}

// claim is a pattern that somebody wants.
type claim struct{ owner, pattern string }

// against compares with the claims of others. ServeMux knows best which patterns clash, and says so by a panic.
func (c claim) against(taken []claim) (err error) {
	if why := register(http.NewServeMux(), c.pattern); why != "" {
		return fmt.Errorf("the address %q of its page cannot be served: %s; this is a fault of the program", c.pattern, why)
	}
	for _, other := range taken {
		mux := http.NewServeMux()
		mux.Handle(other.pattern, http.NotFoundHandler())
		if register(mux, c.pattern) != "" {
			return fmt.Errorf("wants the address %s, which %s serves as %s; only one adapter can have it, remove one of the two",
				c.pattern, other.owner, other.pattern)
		}
	}
	return nil
}

func register(mux *http.ServeMux, pattern string) (why string) {
	defer func() {
		if r := recover(); r != nil {
			why = fmt.Sprint(r)
		}
	}()
	mux.Handle(pattern, http.NotFoundHandler())
	return ""
}
