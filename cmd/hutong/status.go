package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) statusCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "status", Short: "how the gateway does and what a person must do", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(gw *client) error {
				if !gw.live {
					return fmt.Errorf("no gateway runs on %s (hutong run starts one)", gw.conf.Gateway.Data)
				}
				var v statusView
				if err := gw.do(cmd.Context(), http.MethodGet, "/status", nil, &v); err != nil {
					return err
				}
				if err := a.printStatus(v); err != nil {
					return err
				}
				if !v.Ready {
					return fmt.Errorf("not ready: %w, see todo above", errPerson)
				}
				return nil
			})
		},
	}
	a.jsonFlag(c)
	return c
}

func (a *app) printStatus(v statusView) error {
	if a.json {
		return printJSON(a.out, v)
	}
	_, err := fmt.Fprint(a.out, v)
	return err
}

// String is the state for people, also at /readyz.
func (v statusView) String() string {
	var b strings.Builder
	word := "ready"
	if !v.Ready {
		word = "NOT READY"
	}
	now := clock()
	fmt.Fprintf(&b, "%s at %s, for %s\n", word, v.URL, ago(v.Since, now))
	if v.Store != "" {
		fmt.Fprintf(&b, "store: %s\n", v.Store)
	}
	if v.Rejected != "" {
		fmt.Fprintf(&b, "config: %s is not what runs: %s\n", v.Config, v.Rejected)
	}
	for _, ad := range v.Adapters {
		fmt.Fprintf(&b, "%s (%s): %s for %s, last event %s, %d waiting\n",
			ad.Name, ad.Kind, ad.State, ago(ad.Since, now), lastEvent(ad.LastEvent, now), ad.Waiting)
		if ad.Todo != "" {
			fmt.Fprintf(&b, "  todo: %s\n", ad.Todo)
		}
		for _, w := range ad.Warnings {
			fmt.Fprintf(&b, "  note: %s\n", w)
		}
	}
	l := v.Lanes
	fmt.Fprintf(&b, "lanes: %d ready, %d sending, %d waiting, %d held, oldest %.0f s\n", l.Ready, l.Sending, l.Waiting, l.Held, l.Oldest)
	return b.String()
}

func lastEvent(t, now time.Time) string {
	if t.IsZero() {
		return "none yet"
	}
	return ago(t, now) + " ago"
}
