package main

import (
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/people"
)

// What commands and the control socket speak of: ids as people type them, and nothing that is secret.

type cardView struct {
	ID         bridge.CardID   `json:"id"`
	URL        string          `json:"url"`
	Member     bridge.MemberID `json:"member"`
	Open       bool            `json:"open"`
	Acceptance bool            `json:"acceptance"`
	Greeting   string          `json:"greeting,omitempty"`
	Source     string          `json:"source,omitempty"`
	Created    time.Time       `json:"created"`
	Expires    time.Time       `json:"expires,omitzero"`
	Revoked    bool            `json:"revoked,omitempty"`
}

type cardWish struct {
	Member     bridge.MemberID `json:"member"`
	Greeting   string          `json:"greeting,omitempty"`
	Source     string          `json:"source,omitempty"`
	Acceptance bool            `json:"acceptance,omitempty"`
	Expires    time.Time       `json:"expires,omitzero"`
}

type linkView struct {
	ID          string           `json:"id"`
	Contact     string           `json:"contact"`
	ContactName string           `json:"contact_name"`
	Member      bridge.MemberID  `json:"member,omitempty"`
	MemberName  string           `json:"member_name,omitempty"`
	State       bridge.LinkState `json:"state"`
	Since       time.Time        `json:"since"`
	Tags        []string         `json:"tags,omitempty"`
	Remark      string           `json:"remark,omitempty"`
}

type deliveryView struct {
	ID       string              `json:"id"`
	Kind     bridge.DeliveryKind `json:"kind"`
	To       string              `json:"to"`
	Adapter  string              `json:"adapter,omitempty"`
	Link     string              `json:"link,omitempty"`
	Message  string              `json:"message,omitempty"`
	State    bridge.State        `json:"state"`
	Reason   string              `json:"reason,omitempty"`
	Attempts int                 `json:"attempts"`
	Accepted time.Time           `json:"accepted"`
	Settled  time.Time           `json:"settled,omitzero"`
}

type stockView struct {
	Contact  string `json:"contact"`
	Name     string `json:"name"`
	Links    int    `json:"links"`
	Messages int    `json:"messages"`
	Files    int    `json:"files"`
	Bytes    int64  `json:"bytes"`
	Waiting  int    `json:"waiting"`
}

type signInView struct {
	Member  bridge.MemberID `json:"member"`
	Name    string          `json:"name"`
	Adapter string          `json:"adapter"`
	URL     string          `json:"url"`
}

// statusView is what /readyz and hutong status tell.
type statusView struct {
	Ready    bool          `json:"ready"`
	Version  string        `json:"version"`
	Since    time.Time     `json:"since"`
	URL      string        `json:"url"`
	Config   string        `json:"config"`
	Rejected string        `json:"rejected,omitempty"` // why the config file as it is now is not what runs
	Store    string        `json:"store,omitempty"`    // what is wrong with the store
	Adapters []adapterView `json:"adapters"`
	Lanes    lanesView     `json:"lanes"`
}

type adapterView struct {
	Name      string    `json:"name"`
	Kind      string    `json:"kind"`
	State     string    `json:"state"`
	Since     time.Time `json:"since"`
	LastEvent time.Time `json:"last_event,omitzero"`
	Waiting   int       `json:"waiting"`
	Todo      string    `json:"todo,omitempty"`     // what is wrong and what a person must do
	Warnings  []string  `json:"warnings,omitempty"` // what is missing but can be done without
}

type lanesView struct {
	Active  int     `json:"active"`
	Ready   int     `json:"ready"`
	Sending int     `json:"sending"`
	Waiting int     `json:"waiting"`
	Held    int     `json:"held"`
	Oldest  float64 `json:"oldest_seconds"`
}

func viewCard(c bridge.Card, url string, now time.Time) cardView {
	return cardView{
		ID: c.ID, URL: url + "/c/" + string(c.ID), Member: c.Member, Open: c.Open(now), Acceptance: c.Acceptance,
		Greeting: c.Greeting, Source: c.Source, Created: c.Created, Expires: c.Expires, Revoked: c.Revoked,
	}
}

func viewLink(l people.LinkView) linkView {
	return linkView{
		ID: l.ID.String(), Contact: l.Contact.String(), ContactName: l.ContactName, Member: l.Member,
		MemberName: l.MemberName, State: l.State, Since: l.Since, Tags: l.Tags, Remark: l.Remark,
	}
}

func viewDelivery(d bridge.Delivery) deliveryView {
	v := deliveryView{
		ID: d.ID.String(), Kind: d.Kind, To: d.To.String(), Adapter: d.Adapter, State: d.State,
		Reason: d.Reason, Attempts: d.Attempts, Accepted: d.At, Settled: d.Settled,
	}
	if v.Adapter == "" {
		v.Adapter = d.Room.Adapter
	}
	if d.Link != 0 {
		v.Link = d.Link.String()
	}
	if d.Message != 0 {
		v.Message = d.Message.String()
	}
	return v
}

func viewStock(s people.Stock) stockView {
	return stockView{s.Contact.String(), s.Name, s.Links, s.Messages, s.Files, s.Bytes, s.Waiting}
}

func viewHealth(list []bridge.Health) []adapterView {
	views := make([]adapterView, len(list))
	for i, h := range list {
		views[i] = adapterView{h.Name, h.Kind, h.State, h.Since, h.LastEvent, h.Waiting, h.Err, h.Warnings}
	}
	return views
}

func viewDepth(d bridge.Depth) lanesView {
	return lanesView{d.Lanes, d.Ready, d.Sending, d.Waiting, d.Held, d.Oldest.Seconds()}
}
