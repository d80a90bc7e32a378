package people

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Sink takes the files of an export, one after the other.
type Sink interface {
	// Create begins the next file; what is written after that belongs to it. The name has / between
	// folders and is safe on every system.
	Create(name string) (io.Writer, error)
}

// Export gives everything that is kept of a contact: contact.json for machines, a Markdown file per link
// for people, and the files that were sent. It is written down in the audit log before anything is given.
func (p *People) Export(ctx context.Context, by Actor, id bridge.ContactID, to Sink) error {
	c, links, err := p.whole(ctx, by, id)
	if err != nil {
		return err
	}
	entry := p.audit(by, "contact.export", id.String(), fmt.Sprintf("%d links", len(links)))
	if _, err := p.store.Commit(ctx, bridge.Step{At: p.now(), Audit: []bridge.AuditEntry{entry}}); err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	e := &export{People: p, to: to, contact: c, written: map[string]bool{}}
	if err := e.data(ctx, by, links); err != nil {
		return fmt.Errorf("export contact %s: %w", id, err)
	}
	for i, l := range links {
		if err := e.conversation(ctx, i, l); err != nil {
			return fmt.Errorf("export contact %s: %w", id, err)
		}
	}
	return nil
}

// export is one export on its way.
type export struct {
	*People
	to      Sink
	contact bridge.Contact
	written map[string]bool // files that are in it
}

// exportedLink and exportedMessage hold ids as text: as numbers they are larger than JSON readers hold exactly.
type exportedLink struct {
	ID      string           `json:"id"`
	Member  bridge.MemberID  `json:"member,omitempty"`
	Name    string           `json:"member_name,omitempty"`
	State   bridge.LinkState `json:"state"`
	Since   time.Time        `json:"since"`
	Source  []string         `json:"tags,omitempty"`
	Hello   string           `json:"hello,omitempty"`
	Remark  string           `json:"remark,omitempty"`
	Account []bridge.RoomRef `json:"rooms"`
}

type exportedMessage struct {
	ID        string            `json:"id"`
	Link      string            `json:"link"`
	By        string            `json:"by"` // "member" or "contact"
	From      bridge.UserRef    `json:"from"`
	At        time.Time         `json:"at"`
	Text      string            `json:"text,omitempty"`
	Files     []exportedFile    `json:"files,omitempty"`
	ReplyTo   string            `json:"reply_to,omitempty"`
	Note      bool              `json:"note,omitempty"`
	Edits     []bridge.Edit     `json:"edits,omitempty"`
	Recalled  bool              `json:"recalled,omitempty"`
	Reactions []bridge.Reaction `json:"reactions,omitempty"`
	State     bridge.State      `json:"state,omitempty"`
	Reason    string            `json:"reason,omitempty"`
}

type exportedFile struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Size int64  `json:"size,omitempty"`
	Path string `json:"path,omitempty"` // in the export; "" when the gateway does not have it
}

// data writes contact.json, message by message.
func (e *export) data(ctx context.Context, by Actor, links []bridge.Link) error {
	w, err := e.to.Create("contact.json")
	if err != nil {
		return err
	}
	head := struct {
		ID       string           `json:"id"`
		Exported time.Time        `json:"exported"`
		By       string           `json:"exported_by"`
		Name     string           `json:"name"`
		Since    time.Time        `json:"since"`
		Tags     []string         `json:"tags,omitempty"`
		Accounts []bridge.UserRef `json:"accounts"`
		Links    []exportedLink   `json:"links"`
	}{
		e.contact.ID.String(), e.now(), by.String(), e.contact.Name, e.contact.Since,
		e.contact.Tags, e.contact.Accounts,
		[]exportedLink{},
	}
	for _, l := range links {
		head.Links = append(head.Links, exportedLink{
			l.ID.String(), l.Member, e.memberName(l.Member), l.State, l.Since, l.Tags, l.Hello, l.Remark, l.Rooms[:],
		})
	}
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%s,\n\"messages\": [", strings.TrimSuffix(string(text), "}")); err != nil {
		return err
	}
	comma := "\n"
	for _, l := range links {
		for r, err := range e.said(ctx, l.ID) {
			if err != nil {
				return err
			}
			text, err := json.Marshal(exported(r))
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "%s%s", comma, text); err != nil {
				return err
			}
			comma = ",\n"
		}
	}
	_, err = io.WriteString(w, "\n]}\n")
	return err
}

func exported(r bridge.Record) exportedMessage {
	m := exportedMessage{
		ID: r.ID.String(), Link: r.Link.String(), By: r.Side.String(), From: r.From, At: r.At, Text: r.Text,
		Note: r.Note, Edits: r.Edits, Recalled: r.Recalled, Reactions: r.Reactions, State: r.State, Reason: r.Reason,
	}
	if r.ReplyTo != 0 {
		m.ReplyTo = r.ReplyTo.String()
	}
	for _, f := range r.Files {
		m.Files = append(m.Files, exportedFile{f.Name, f.Type, f.Size, pathOf(f)})
	}
	return m
}
