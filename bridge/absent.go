package bridge

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// absent are the members' accounts that their workspaces have deactivated. It is durable, since a workspace
// tells it once.
type absent struct {
	kv KV

	mu       sync.RWMutex
	accounts map[UserRef]bool
}

const absentPrefix = "absent/"

func absentKey(u UserRef) string { return absentPrefix + u.Adapter + "/" + string(u.User) }

func readAbsent(ctx context.Context, kv KV) (*absent, error) {
	a := &absent{kv: kv, accounts: map[UserRef]bool{}}
	for k, err := range Keys(ctx, kv, absentPrefix) {
		if err != nil {
			return nil, fmt.Errorf("read the deactivated accounts: %w", err)
		}
		if adapter, user, ok := strings.Cut(strings.TrimPrefix(k, absentPrefix), "/"); ok {
			a.accounts[UserRef{adapter, UserID(user)}] = true
		}
	}
	return a, nil
}

func (a *absent) has(u UserRef) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.accounts[u]
}

// gone reports whether every account of the member is deactivated.
func (a *absent) gone(m *Member) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if len(a.accounts) == 0 || len(m.Accounts) == 0 {
		return false
	}
	return !slices.ContainsFunc(m.Accounts, func(u UserRef) bool { return !a.accounts[u] })
}

// set makes durable that an account works, or does not; news reports whether it did otherwise before.
func (a *absent) set(ctx context.Context, u UserRef, away bool) (news bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.accounts[u] == away {
		return false, nil
	}
	if away {
		_, err = a.kv.Put(ctx, absentKey(u), nil, AnyRev)
	} else {
		err = a.kv.Delete(ctx, absentKey(u))
	}
	if err != nil {
		return false, fmt.Errorf("keep the state of an account: %w", err)
	}
	if away {
		a.accounts[u] = true
	} else {
		delete(a.accounts, u)
	}
	return true, nil
}

// accountState notes that a member's account was deactivated or works again. New customers no longer come to
// a member without an account; the operator is told until the customers are handed over.
func (b *Bridge) accountState(ctx context.Context, adapter string, e AccountState) error {
	if err := checkIDs(string(e.User)); err != nil {
		return err
	}
	u := UserRef{adapter, e.User}
	m := b.set.Load().accounts[u]
	if m == nil {
		return ignore("not a member")
	}
	news, err := b.absent.set(ctx, u, !e.Active)
	if err != nil {
		return err
	}
	if !news {
		return ignore("nothing changed")
	}
	audit := AuditEntry{At: b.now(), Actor: "system", Action: "account.deactivated", Object: string(m.ID), Detail: adapter}
	if e.Active {
		audit.Action = "account.activated"
	}
	if _, err := b.commit(ctx, Step{At: b.now(), Audit: []AuditEntry{audit}}); err != nil {
		return fmt.Errorf("note the state of an account: %w", err)
	}
	b.engine.wakeHeld()
	return nil
}

// absentees says which members' accounts on the adapter are deactivated.
func (b *Bridge) absentees(adapter string) []string {
	set := b.set.Load()
	var out []string
	for i := range set.Members {
		m := &set.Members[i]
		for _, u := range m.Accounts {
			if u.Adapter == adapter && m.State != MemberLeft && b.absent.has(u) {
				out = append(out, fmt.Sprintf("the account %s of member %s is deactivated: hand the customers over, or set state: left in the config", u.User, m.ID))
			}
		}
	}
	return out
}

// warnings are what is amiss with an adapter without stopping it.
func (b *Bridge) warnings(name string) []string {
	out := b.absentees(name)
	if a, _, ok := b.adapter(name); ok {
		if w, can := a.(Warner); can {
			out = append(out, w.Warnings()...)
		}
	}
	return out
}
