package config

import (
	"strings"

	"github.com/hutong-im/hutong/bridge"
)

func (c *Config) checkMembers(r *report) {
	ids := map[string]int{}
	accounts := map[bridge.UserRef]string{}
	for i := range c.Members {
		m, key := &c.Members[i], index("members", i)
		if r.blamed(key) {
			continue
		}
		if m.ID == "" {
			if !r.blamed(join(key, "id")) {
				r.mistake(join(key, "id"), "missing; choose a short name that will never change, such as lilei")
			}
		} else if !isID(m.ID) {
			r.mistake(join(key, "id"), "has 1 to %d letters, digits, dots, dashes and underscores; it is typed in commands", maxName)
		} else if first, twice := ids[m.ID]; twice {
			r.mistake(join(key, "id"), "%s is already the id of members[%d]; ids are given once", m.ID, first)
		} else {
			ids[m.ID] = i
		}
		if strings.TrimSpace(m.Name) == "" && !r.blamed(join(key, "name")) {
			r.mistake(join(key, "name"), "missing; customers see it")
		}
		if m.Quota < 0 {
			r.mistake(join(key, "quota"), "must be 0 (any number) or more")
		}
		c.checkAccounts(r, key, m, accounts)
	}
	c.checkFallback(r, ids)
}

// checkAccounts compares a member's accounts with the adapters and with the accounts of those before.
func (c *Config) checkAccounts(r *report, key string, m *Member, taken map[bridge.UserRef]string) {
	names := c.adapterNames(r)
	for _, a := range m.Accounts {
		at := join(join(key, "accounts"), a.Adapter)
		if indexOf(names, a.Adapter) < 0 {
			r.mistake(at, "there is no adapter of this name%s", suggest(a.Adapter, names))
			continue
		}
		if a.User == "" {
			r.mistake(at, "missing; write what the network calls the member there")
			continue
		}
		if other, used := taken[a]; used {
			r.mistake(at, "%s is already the account of %s; one account is one person", a.User, other)
			continue
		}
		taken[a] = m.ID
	}
	if m.Serves && len(m.Accounts) == 0 && !anyBelow(r, join(key, "accounts")) {
		r.mistake(join(key, "accounts"), "missing; who serves customers needs a place to meet them, such as { desk: %s }", m.ID)
	}
}

// adapterNames are those that the file names, also those whose settings are wrong: one mistake is enough.
func (c *Config) adapterNames(r *report) []string {
	var names []string
	for key := range r.at {
		if name, ok := strings.CutPrefix(key, "adapters."); ok && !strings.Contains(name, ".") {
			names = append(names, name)
		}
	}
	return names
}

func (c *Config) checkFallback(r *report, ids map[string]int) {
	if c.Fallback == "" {
		return
	}
	i, ok := ids[c.Fallback]
	if !ok {
		known := make([]string, 0, len(ids))
		for id := range ids {
			known = append(known, id)
		}
		r.mistake("fallback", "there is no member %s%s", quote(c.Fallback), suggest(c.Fallback, known))
		return
	}
	if m := c.Members[i]; !m.Serves || m.State == "left" {
		r.mistake("fallback", "%s does not serve customers; say serves: true there, or name somebody else", c.Fallback)
	}
}

// isID reports whether s can be typed in a command without quoting, and names no option.
func isID(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	if len(s) > maxName || !strings.Contains(letters, s[:1]) {
		return false
	}
	return strings.Trim(s, letters+"._-") == ""
}
