package main

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func (a *app) signInCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "signin MEMBER", Short: "make a one-time link with which a member signs in and sets a password", Args: exactly("MEMBER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(gw *client) error {
				var list []signInView
				if err := gw.do(cmd.Context(), http.MethodPost, "/signin/"+url.PathEscape(args[0]), nil, &list); err != nil {
					return err
				}
				if a.json {
					return printJSON(a.out, list)
				}
				rows := []row{}
				for _, v := range list {
					rows = append(rows, row{v.Name, v.Adapter, v.URL})
				}
				return a.columns(rows)
			})
		},
	}
	a.jsonFlag(c)
	return c
}
