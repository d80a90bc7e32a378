package main

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) linksCommand() *cobra.Command {
	return group("links", "links: who talks to whom", a.linksList())
}

func (a *app) linksList() *cobra.Command {
	var member, contact, state string
	c := &cobra.Command{
		Use: "list", Short: "list the relations of members and contacts", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			for key, value := range map[string]string{"member": member, "contact": contact, "state": state} {
				if value != "" {
					q.Set(key, value)
				}
			}
			return a.with(cmd.Context(), func(gw *client) error {
				var list []linkView
				if err := gw.do(cmd.Context(), http.MethodGet, "/links?"+q.Encode(), nil, &list); err != nil {
					return err
				}
				return a.printLinks(list)
			})
		},
	}
	c.Flags().StringVar(&member, "member", "", "only those of this `MEMBER`")
	c.Flags().StringVar(&contact, "contact", "", "only those of this `CONTACT`")
	c.Flags().StringVar(&state, "state", "", "only those that are asked, active, ended or \"handed over\"")
	a.jsonFlag(c)
	return c
}

func (a *app) printLinks(list []linkView) error {
	if a.json {
		return printJSON(a.out, list)
	}
	rows := []row{{"LINK", "STATE", "MEMBER", "CONTACT", "NAME", "SINCE", "TAGS"}}
	for _, v := range list {
		member := string(v.Member)
		if member == "" {
			member = "(waits)"
		}
		rows = append(rows, row{
			v.ID, string(v.State), member, v.Contact, v.ContactName,
			v.Since.Local().Format(time.DateTime), strings.Join(v.Tags, " "),
		})
	}
	return a.list(rows, "no links")
}
