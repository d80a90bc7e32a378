package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hutong-im/hutong/bridge"
)

func (a *app) deliveriesCommand() *cobra.Command {
	return group("deliveries", "deliveries: what waits, what failed, and what may have arrived",
		a.deliveriesList(), a.deliveriesShow(),
		a.deliveriesChange("retry", "try a delivery again, now", "retried"),
		a.deliveriesChange("cancel", "give a delivery up; its writer is told", "cancelled"))
}

// listable are the states that a store lists.
func listable() []string {
	return []string{string(bridge.StatePending), string(bridge.StateHeld), string(bridge.StateFailed), string(bridge.StateUnknown)}
}

func (a *app) deliveriesList() *cobra.Command {
	var states []string
	var most int
	c := &cobra.Command{
		Use: "list", Short: "list deliveries that have not arrived", Args: exactly(),
		Example: "  hutong deliveries list --state failed,unknown --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, s := range states {
				if !strings.Contains(strings.Join(listable(), " ")+" ", s+" ") {
					return usage("--state %s: must be of %s (sent and cancelled ones are not kept)", s, strings.Join(listable(), ", "))
				}
			}
			return a.with(cmd.Context(), func(gw *client) error {
				list, err := deliveriesOf(cmd, gw, states, most)
				if err != nil {
					return err
				}
				return a.printDeliveries(list)
			})
		},
	}
	c.Flags().StringSliceVar(&states, "state", listable(), "only those in one of these states")
	c.Flags().IntVar(&most, "most", 200, "list at most so many, the oldest")
	a.jsonFlag(c)
	return c
}

// deliveriesOf asks for page after page.
func deliveriesOf(cmd *cobra.Command, gw *client, states []string, most int) ([]deliveryView, error) {
	all := []deliveryView{}
	q := url.Values{"state": states}
	for {
		var page []deliveryView
		if err := gw.do(cmd.Context(), http.MethodGet, "/deliveries?"+q.Encode(), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < maxList || len(all) >= most {
			return all[:min(most, len(all))], nil
		}
		q.Set("after", strings.TrimPrefix(page[len(page)-1].ID, "d"))
	}
}

func (a *app) deliveriesShow() *cobra.Command {
	c := &cobra.Command{
		Use: "show DELIVERY", Short: "show one delivery", Args: exactly("DELIVERY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(gw *client) error {
				var v deliveryView
				if err := gw.do(cmd.Context(), http.MethodGet, "/deliveries/"+url.PathEscape(args[0]), nil, &v); err != nil {
					return err
				}
				return a.printDelivery(v)
			})
		},
	}
	a.jsonFlag(c)
	return c
}

func (a *app) deliveriesChange(verb, short, done string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " DELIVERY...", Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("DELIVERY is missing; see %s --help", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(gw *client) error {
				for _, id := range args {
					if err := gw.do(cmd.Context(), http.MethodPost, "/deliveries/"+url.PathEscape(id)+"/"+verb, nil, nil); err != nil {
						return err
					}
					if _, err := fmt.Fprintln(a.out, id, done); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func (a *app) printDelivery(v deliveryView) error {
	if a.json {
		return printJSON(a.out, v)
	}
	settled := ""
	if !v.Settled.IsZero() {
		settled = v.Settled.Format(time.DateTime)
	}
	return a.table([]row{
		{"delivery", v.ID},
		{"what", string(v.Kind) + " to the " + v.To},
		{"adapter", v.Adapter},
		{"link", v.Link},
		{"message", v.Message},
		{"state", string(v.State)},
		{"because", v.Reason},
		{"tries", strconv.Itoa(v.Attempts)},
		{"accepted", v.Accepted.Format(time.DateTime)},
		{"settled", settled},
	})
}

func (a *app) printDeliveries(list []deliveryView) error {
	if a.json {
		return printJSON(a.out, list)
	}
	rows := []row{{"DELIVERY", "STATE", "WHAT", "ADAPTER", "TRIES", "AGE", "BECAUSE"}}
	for _, v := range list {
		rows = append(rows, row{
			v.ID, string(v.State), string(v.Kind) + " to the " + v.To, v.Adapter,
			strconv.Itoa(v.Attempts), ago(v.Accepted, clock()), v.Reason,
		})
	}
	return a.list(rows, "nothing waits and nothing has failed")
}
