package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/people"
)

// welcome says where to go: members to their desk, customers to a card. Sign-in links are made once for
// each member; later ones come from hutong signin.
func (g *gateway) welcome(ctx context.Context) error {
	var b strings.Builder
	c := g.conf.Load()
	fmt.Fprintf(&b, "\nhutong 互通 · %s · %s\n", c.Company.Name, c.Gateway.URL)
	greeted, err := g.welcomeMembers(ctx, &b)
	if err != nil {
		return err
	}
	if err := g.welcomeCustomers(ctx, &b); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(g.out, b.String()); err != nil {
		return err
	}
	for _, id := range greeted {
		if _, err := g.greetings().Put(ctx, string(id), []byte("once"), bridge.AnyRev); err != nil {
			return fmt.Errorf("note that %s was given a sign-in link: %w", id, err)
		}
	}
	return nil
}

// greetings holds the members who were given a sign-in link.
func (g *gateway) greetings() bridge.KV { return g.store.KV("greetings") }

// welcomeMembers writes a link for each member who was never given one, and says who they are.
func (g *gateway) welcomeMembers(ctx context.Context, b *strings.Builder) (greeted []bridge.MemberID, err error) {
	for _, m := range g.conf.Load().BridgeMembers() {
		_, _, err := g.greetings().Get(ctx, string(m.ID))
		if err == nil || m.State == bridge.MemberLeft {
			continue
		}
		if !errors.Is(err, bridge.ErrNotFound) {
			return nil, err
		}
		links, err := g.signInLinks(ctx, m)
		if err != nil {
			return nil, err
		}
		for _, l := range links {
			if len(greeted) == 0 {
				b.WriteString("\n员工登录（链接只能用一次） Members sign in, each link once:\n")
			}
			greeted = append(greeted, m.ID)
			fmt.Fprintf(b, "  %s (%s)  %s\n", tidy(l.Name), l.Member, l.URL)
		}
	}
	if len(greeted) == 0 {
		b.WriteString("\n员工登录 Members sign in: hutong signin MEMBER makes a new link.\n")
	}
	return greeted, nil
}

func (g *gateway) welcomeCustomers(ctx context.Context, b *strings.Builder) error {
	card, fresh, err := g.people.FirstCard(ctx, bridge.MemberID(g.conf.Load().Fallback))
	if errors.Is(err, people.ErrInvalid) || errors.Is(err, bridge.ErrNotFound) {
		b.WriteString("\n  hutong card new MEMBER makes a card for customers.\n")
		return nil
	}
	if err != nil {
		return err
	}
	link := viewCard(card, g.url(), g.now()).URL
	fmt.Fprintf(b, "\n客户从名片进来 Customers come by the card of %s:\n  %s\n", card.Member, link)
	if !fresh && !isTerminal(g.out) {
		return nil // the code is for people; a service's log has it once
	}
	code, err := terminalCode(link, isTerminal(g.out))
	if err != nil {
		return err
	}
	b.WriteString("\n" + code)
	return nil
}
