package fake

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Script is a conversation written down, one step a line:
//
//	# a comment
//	@team lilei 李雷         on the network "team" there is a user lilei, called 李雷
//	@wechat zhang 张三
//	zhang> 你好              zhang says, in the room where zhang is
//	lilei< 你好              the oldest message that lilei has not seen yet reads so
//	lilei<~ 好               … or has this in it
//	lilei>> 您好!            lilei replies to the message seen last
//	lilei@张三> 第二句\n两行   lilei says, in the room titled 张三; \n is a line break, \\ a backslash
//	!wechat busy 2 1s send   the network's next two sends are answered 429, with a Retry-After of 1 s
//	!kill                    a command of the test
//
// Verbs that do, with what follows them:
//
//	edit TEXT, recall        one's own last message
//	react EMOJI, unreact EMOJI, read, press BUTTON     the message seen last
//	file NAME, type, join CARD [TEXT], leave
//
// Verbs that expect, waiting for a while:
//
//	edited TEXT, recalled, named NAME, asked BUTTON, got FILENAME      of the message seen last
//	reacted EMOJI, marked STATE          of one's own last message: what the account put on it
//	nothing                              no message is left that was not seen
type Script []Step

// Step is one line of a script.
type Step struct {
	Line int    // from 1
	Who  string // a user; for "@" a network, for "!" a command or network
	Room string // the title of a room, or ""
	Verb string // ">", ">>", "<", "<~", "@", "!" or a word
	Text string // what follows
}

func verbs() []string {
	return []string{
		"edit", "recall", "react", "unreact", "read", "press", "file", "type", "join", "leave",
		"edited", "recalled", "named", "asked", "got", "reacted", "marked", "nothing",
	}
}

// bare are the verbs that nothing follows.
func bare() []string {
	return []string{"recall", "read", "type", "leave", "recalled", "nothing"}
}

// Parse reads a script. Its error names the line.
func Parse(text string) (Script, error) {
	var out Script
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		s, err := parseStep(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		s.Line = n
		out = append(out, s)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("script: %w", err)
	}
	return out, nil
}

func parseStep(line string) (Step, error) {
	if line[0] == '@' || line[0] == '!' {
		who, rest, _ := strings.Cut(line[1:], " ")
		s := Step{Who: who, Verb: line[:1], Text: strings.TrimSpace(rest)}
		if !isName(who) || (s.Verb == "@" && !isName(firstWord(s.Text))) {
			return Step{}, fmt.Errorf("%q: want %sNAME …", line, s.Verb)
		}
		return s, nil
	}
	end := strings.IndexAny(line, "<> ")
	if end < 0 {
		return Step{}, fmt.Errorf("%q: want NAME> text, NAME< text or NAME verb", line)
	}
	s := Step{}
	var titled bool
	s.Who, s.Room, titled = strings.Cut(line[:end], "@")
	if !isName(s.Who) || (titled && (s.Room == "" || strings.ContainsAny(s.Room, "@\\"))) {
		return Step{}, fmt.Errorf("%q: a line begins with NAME or NAME@ROOM", line)
	}
	rest := strings.TrimSpace(line[end:])
	s.Verb = firstWord(rest)
	for _, sign := range []string{"<~", "<", ">>", ">"} {
		if strings.HasPrefix(rest, sign) {
			s.Verb = sign
			break
		}
	}
	var err error
	s.Text, err = unescape(strings.TrimSpace(rest[len(s.Verb):]))
	if err != nil {
		return Step{}, err
	}
	return s, s.check()
}

func (s Step) check() error {
	sign := strings.ContainsAny(s.Verb, "<>")
	if !sign && !slices.Contains(verbs(), s.Verb) {
		return fmt.Errorf("%q is no verb; the verbs are > >> < <~ %s", s.Verb, strings.Join(verbs(), " "))
	}
	if slices.Contains(bare(), s.Verb) != (s.Text == "") {
		return fmt.Errorf("%s %s: what follows the verb is missing, or too much", s.Who, s.Verb)
	}
	return nil
}

// String is the step as it is written.
func (s Step) String() string {
	switch {
	case s.Verb == "@" || s.Verb == "!":
		return strings.TrimSpace(s.Verb + s.Who + " " + s.Text)
	case s.Room != "":
		return strings.TrimSpace(s.Who + "@" + s.Room + " " + s.Verb + " " + escape(s.Text))
	default:
		return strings.TrimSpace(s.Who + " " + s.Verb + " " + escape(s.Text))
	}
}

func isName(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_'
	}) < 0
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

func escape(s string) string {
	s = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(s)
	body := strings.TrimLeft(s, " ")
	lead := len(s) - len(body)
	body = strings.TrimRight(body, " ")
	return strings.Repeat(`\s`, lead) + body + strings.Repeat(`\s`, len(s)-lead-len(body))
}

// unescape reads \n, \s (a space, where the line would lose it) and \\.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch {
		case i < len(s) && s[i] == 'n':
			b.WriteByte('\n')
		case i < len(s) && s[i] == 's':
			b.WriteByte(' ')
		case i < len(s) && s[i] == '\\':
			b.WriteByte('\\')
		default:
			return "", fmt.Errorf(`%q: after a backslash comes n, s or a backslash`, s)
		}
	}
	return b.String(), nil
}
