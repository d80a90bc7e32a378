package layers

import "strings"

// rule says what the packages below one folder may import from this module and from outside it.
type rule struct {
	folder  string   // "a" is a and all below it; "a/*" is all below a, but not a
	allowed []string // folders of this module, in the same form; "..." is every one
	modules []string // modules from outside; "..." is every one
	because string
}

const everything = "..."

// rules is read from the top; the first that fits counts.
var rules = []rule{
	{"cmd/hutong", []string{everything}, []string{everything}, "cmd wires everything"},
	{"bench", []string{everything}, []string{everything}, "bench measures everything"},
	{
		"bridge",
		nil,
		[]string{"github.com/rivo/uniseg"},
		"bridge is the ground everyone stands on: it may import the standard library and uniseg only",
	},
	{
		"adapters/adaptertest/crowd",
		[]string{"bridge", "adapters/adaptertest", "internal/httpx"},
		[]string{everything},
		"people at browsers are a network for the suite: they may import it, bridge and internal/httpx",
	},
	{
		"adapters/adaptertest",
		[]string{"bridge"},
		[]string{everything},
		"the suite of adapters may import bridge only, so that an adapter outside the tree can use it",
	},
	{
		"adapters/*",
		[]string{"bridge", "internal/httpx", "internal/tencent", "web"},
		[]string{everything},
		"an adapter may import bridge, internal/httpx, internal/tencent and web; never another adapter, a store, rules, people or apps",
	},
	{
		"adapters",
		[]string{"bridge", "adapters/*"},
		nil,
		"the list of adapters may import bridge and the adapters that it lists",
	},
	{"rules", []string{"bridge"}, []string{everything}, "rules are pure: they may import bridge only"},
	{
		"apps/*",
		[]string{"bridge", "apps/calendar", "apps/schedule"},
		[]string{everything},
		"an app talks to members, never to a network: it may import bridge, apps/calendar and apps/schedule",
	},
	{"people", []string{"bridge"}, []string{everything}, "people may import bridge only"},
	{
		"store/storetest",
		[]string{"bridge"},
		nil,
		"the suite of stores may import bridge only, so that a store outside the tree can use it",
	},
	{"store/*", []string{"bridge"}, []string{everything}, "a store may import bridge only"},
	{
		"api",
		[]string{"bridge", "people", "rules", "internal/httpx", "web"},
		[]string{everything},
		"api may import bridge, people, rules, internal/httpx and web",
	},
	{
		"console",
		[]string{"bridge", "people", "rules", "internal/httpx", "web"},
		[]string{everything},
		"console may import bridge, people, rules, internal/httpx and web",
	},
	{"web", nil, nil, "web is files: it may import nothing but the standard library"},
	{
		"internal/config",
		[]string{"bridge", "rules"},
		[]string{everything},
		"config may import bridge and rules; it knows no adapter, the list of kinds is given to it",
	},
	{"internal/httpx", []string{"bridge"}, []string{everything}, "httpx turns HTTP into verdicts: it may import bridge only"},
	{
		"internal/tencent",
		[]string{"bridge", "internal/httpx"},
		[]string{everything},
		"tencent may import bridge and internal/httpx",
	},
	{"internal/layers", nil, nil, "the layers test may import the standard library only"},
}

// testsMay is what a _test.go file may import beside what its package may: suites and the two
// implementations in memory that others are tried with.
var testsMay = []string{"adapters/adaptertest", "adapters/fake", "store/storetest", "store/mem", "store/bolt", "bridge"}

// ruleFor finds the rule of a folder, given without the module's name.
func ruleFor(folder string) (rule, bool) {
	for _, r := range rules {
		if within(r.folder, folder) {
			return r, true
		}
	}
	return rule{}, false
}

// within reports whether the folder is meant by the pattern.
func within(pattern, folder string) bool {
	if pattern == everything {
		return true
	}
	if above, below := strings.CutSuffix(pattern, "/*"); below {
		return strings.HasPrefix(folder, above+"/")
	}
	return folder == pattern || strings.HasPrefix(folder, pattern+"/")
}

// unit is the folder of the adapter, app or store that a folder belongs to: its own sub-folders are
// no stranger to it.
func unit(r rule, folder string) string {
	above, below := strings.CutSuffix(r.folder, "/*")
	if !below {
		return r.folder
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(folder, above+"/"), "/")
	return above + "/" + name
}
