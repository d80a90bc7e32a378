// Package people is whose customer is this: the use cases that commands, pages and apps share. Every
// call names who asks, is checked, and leaves an audit entry when it changes or gives away something.
package people

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// Errors of this package, beside those of bridge.
var (
	// ErrForbidden is an actor who may not do this.
	ErrForbidden = errors.New("not allowed")
	// ErrInvalid is a wish that cannot be granted as it stands; its text says what to change.
	ErrInvalid = errors.New("not possible")
)

// Actor is who asks: somebody who operates the gateway, a member, or the gateway itself.
type Actor struct {
	name   string
	member bridge.MemberID // "" may do everything
}

// Operator is somebody at the command line of the gateway's machine, by their user name there.
func Operator(user string) Actor { return Actor{name: fmt.Sprintf("command line (%s)", user)} }

// System is the gateway itself.
func System() Actor { return Actor{name: "system"} }

// AsMember is an employee, who may manage what is their own.
func AsMember(id bridge.MemberID) Actor { return Actor{name: string(id), member: id} }

// String is the actor as the audit log names it.
func (a Actor) String() string { return a.name }

// owns reports whether the actor may manage what belongs to the member.
func (a Actor) owns(m bridge.MemberID) bool {
	return a.name != "" && (a.member == "" || a.member == m)
}

// operates reports whether the actor may manage what belongs to the company.
func (a Actor) operates() bool { return a.name != "" && a.member == "" }

// People are the use cases over one store. Make it with New.
type People struct {
	store   bridge.Store
	blobs   bridge.Blobs
	members func() []bridge.Member
	now     func() time.Time
}

// New makes the use cases. members gives the employees of the moment.
func New(store bridge.Store, blobs bridge.Blobs, members func() []bridge.Member, now func() time.Time) *People {
	return &People{store: store, blobs: blobs, members: members, now: now}
}

// member is the employee of that id.
func (p *People) member(id bridge.MemberID) (bridge.Member, error) {
	for _, m := range p.members() {
		if m.ID == id {
			return m, nil
		}
	}
	return bridge.Member{}, fmt.Errorf("member %s: %w (see members: in the config)", id, bridge.ErrNotFound)
}

// memberName is what to call a member who may have left the config.
func (p *People) memberName(id bridge.MemberID) string {
	if m, err := p.member(id); err == nil {
		return m.Name
	}
	return string(id)
}

// serving is the employee of that id, if customers may be given to them.
func (p *People) serving(id bridge.MemberID) (bridge.Member, error) {
	m, err := p.member(id)
	if err != nil {
		return m, err
	}
	if m.State == bridge.MemberLeft {
		return m, fmt.Errorf("%w: %s has left (state: left in the config)", ErrInvalid, id)
	}
	if !m.Serves {
		return m, fmt.Errorf("%w: %s does not serve customers (say serves: true in the config)", ErrInvalid, id)
	}
	return m, nil
}

func (p *People) audit(by Actor, action, object, detail string) bridge.AuditEntry {
	return bridge.AuditEntry{At: p.now(), Actor: by.name, Action: action, Object: object, Detail: detail}
}

// change plans and commits until the plan is not stale; plan reads what it needs anew each time.
func (p *People) change(ctx context.Context, plan func() (bridge.Step, error)) error {
	for {
		step, err := plan()
		if err != nil {
			return err
		}
		step.At = p.now()
		_, err = p.store.Commit(ctx, step)
		if !errors.Is(err, bridge.ErrStale) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
