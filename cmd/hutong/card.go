package main

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/config"
)

func (a *app) cardCommand() *cobra.Command {
	return group("card", "cards: the links and QR codes by which customers reach a member",
		a.cardNew(), a.cardList(), a.cardShow(), a.cardRevoke())
}

func (a *app) cardNew() *cobra.Command {
	var wish cardWish
	var expires string
	c := &cobra.Command{
		Use: "new MEMBER", Short: "make a card for a member who serves customers", Args: exactly("MEMBER"),
		Example: "  hutong card new lilei --source 展会 --greeting 您好，我是李雷 --accept --expires 90d",
		RunE: func(cmd *cobra.Command, args []string) error {
			wish.Member = bridge.MemberID(args[0])
			var err error
			if wish.Expires, err = expiry(expires, clock()); err != nil {
				return err
			}
			return a.with(cmd.Context(), func(gw *client) error {
				var v cardView
				if err := gw.do(cmd.Context(), http.MethodPost, "/cards", wish, &v); err != nil {
					return err
				}
				return a.printCard(v)
			})
		},
	}
	c.Flags().StringVar(&wish.Greeting, "greeting", "", "what the customer is told first")
	c.Flags().StringVar(&wish.Source, "source", "", "where the card is shown; becomes a tag of those who come through it")
	c.Flags().BoolVar(&wish.Acceptance, "accept", false, "the member must accept each customer")
	c.Flags().StringVar(&expires, "expires", "", "when it closes: a length of time such as 90d, or a day such as 2027-01-31")
	a.jsonFlag(c)
	return c
}

// expiry reads a length of time from now, or a day, to its end.
func expiry(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if day, err := time.ParseInLocation(time.DateOnly, s, now.Location()); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	var span config.Span
	if err := span.UnmarshalText([]byte(s)); err != nil || span == 0 {
		return time.Time{}, usage("--expires %s: must be a length of time such as 90d or 12h, or a day such as 2027-01-31", s)
	}
	return now.Add(time.Duration(span)), nil
}

func (a *app) cardList() *cobra.Command {
	var member string
	var all bool
	c := &cobra.Command{
		Use: "list", Short: "list the open cards", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			if member != "" {
				q.Set("member", member)
			}
			if all {
				q.Set("closed", "1")
			}
			return a.with(cmd.Context(), func(gw *client) error {
				var list []cardView
				if err := gw.do(cmd.Context(), http.MethodGet, "/cards?"+q.Encode(), nil, &list); err != nil {
					return err
				}
				return a.printCards(list)
			})
		},
	}
	c.Flags().StringVar(&member, "member", "", "only those of this `MEMBER`")
	c.Flags().BoolVar(&all, "all", false, "also those that are revoked or expired")
	a.jsonFlag(c)
	return c
}

func (a *app) cardShow() *cobra.Command {
	var png, svg string
	c := &cobra.Command{
		Use: "show CARD", Short: "show a card's link and QR code", Args: exactly("CARD"),
		Example: "  hutong card show K7Q2M4ZJ6TWNXB5A --svg card.svg",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(gw *client) error {
				var v cardView
				if err := gw.do(cmd.Context(), http.MethodGet, "/cards/"+url.PathEscape(args[0]), nil, &v); err != nil {
					return err
				}
				if err := writeCodes(v.URL, png, svg); err != nil {
					return err
				}
				if png != "" || svg != "" || a.json {
					return a.printCard(v)
				}
				return a.printCardWithCode(v)
			})
		},
	}
	c.Flags().StringVar(&png, "png", "", "write the QR code into `FILE`, for screens")
	c.Flags().StringVar(&svg, "svg", "", "write the QR code into `FILE`, for print")
	a.jsonFlag(c)
	return c
}

func (a *app) cardRevoke() *cobra.Command {
	c := &cobra.Command{
		Use: "revoke CARD", Short: "close a card for ever; those who came through it stay", Args: exactly("CARD"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(gw *client) error {
				var v cardView
				if err := gw.do(cmd.Context(), http.MethodPost, "/cards/"+url.PathEscape(args[0])+"/revoke", nil, &v); err != nil {
					return err
				}
				return a.printCard(v)
			})
		},
	}
	a.jsonFlag(c)
	return c
}

func (a *app) printCard(v cardView) error {
	if a.json {
		return printJSON(a.out, v)
	}
	return a.table([]row{
		{"card", string(v.ID)},
		{"link", v.URL},
		{"member", string(v.Member)},
		{"state", cardState(v)},
		{"needs acceptance", yesNo(v.Acceptance)},
		{"greeting", v.Greeting},
		{"source", v.Source},
	})
}

func (a *app) printCardWithCode(v cardView) error {
	if err := a.printCard(v); err != nil {
		return err
	}
	code, err := terminalCode(v.URL, isTerminal(a.out))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "\n%s", code)
	return err
}

func (a *app) printCards(list []cardView) error {
	if a.json {
		return printJSON(a.out, list)
	}
	rows := []row{{"CARD", "MEMBER", "STATE", "SOURCE", "LINK"}}
	for _, v := range list {
		rows = append(rows, row{string(v.ID), string(v.Member), cardState(v), v.Source, v.URL})
	}
	return a.list(rows, "no cards; hutong card new MEMBER makes one")
}

func cardState(v cardView) string {
	switch {
	case v.Revoked:
		return "revoked"
	case !v.Open:
		return "expired " + v.Expires.Format(time.DateTime)
	case !v.Expires.IsZero():
		return "open until " + v.Expires.Format(time.DateTime)
	}
	return "open"
}
