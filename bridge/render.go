package bridge

import (
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// units counts s as the network counts.
func units(s string, u TextUnit) int {
	switch u {
	case Bytes:
		return len(s)
	case UTF16:
		n := 0
		for _, r := range s {
			n++
			if r > 0xFFFF {
				n++
			}
		}
		return n
	default:
		return utf8.RuneCountInString(s)
	}
}

// Split cuts a text into pieces of at most limit units each, never inside a grapheme (unless one
// alone is longer than the limit), preferring the end of a paragraph, a line, a sentence or a word in
// the last half of a piece. Joined, the pieces are the text, but for white space at the cuts.
func Split(s string, limit int, u TextUnit) []string {
	if limit <= 0 || units(s, u) <= limit {
		return []string{s}
	}
	var out []string
	for units(s, u) > limit {
		hard := graphemeCut(s, limit, u)
		cut := softCut(s[:hard], s[hard:])
		if piece := strings.TrimRight(s[:cut], " \n"); piece != "" {
			out = append(out, piece)
		}
		s = strings.TrimLeft(s[cut:], " \n")
	}
	if s != "" {
		out = append(out, s)
	}
	return out
}

// graphemeCut is the largest byte offset, at the end of a grapheme, that is within the limit.
func graphemeCut(s string, limit int, u TextUnit) int {
	rest, state, used, cut := s, -1, 0, 0
	for rest != "" {
		var cluster string
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		used += units(cluster, u)
		if used > limit {
			break
		}
		cut += len(cluster)
	}
	if cut > 0 {
		return cut
	}
	used = 0
	for i, r := range s { // one grapheme longer than the limit: cut between runes
		if used += units(string(r), u); used > limit && i > 0 {
			return i
		}
	}
	return len(s)
}

// softCut looks for a better place to cut in the last half of head.
func softCut(head, tail string) int {
	if tail == "" || tail[0] == ' ' || tail[0] == '\n' {
		return len(head)
	}
	half := len(head) / 2
	for _, mark := range []string{"\n\n", "\n", "。", "！", "？", ". ", "! ", "? ", "；", "，", " "} {
		if i := strings.LastIndex(head, mark); i >= half {
			return i + len(mark)
		}
	}
	return len(head)
}

// rendered is a message fitted to a network: its drafts in order.
type rendered struct{ drafts []Draft }

// render fits text and files to the limits: prefix, split, files spread over drafts. The key of each
// draft is the given one with its number.
func render(key string, as Label, prefix, text string, files []Attachment, reply MsgID, c Caps) rendered {
	if c.Markup == Plain {
		text = plain(text)
	}
	text = prefix + text
	var out rendered
	if text != "" {
		for _, piece := range Split(text, c.MaxText, c.Count) {
			out.drafts = append(out.drafts, Draft{As: as, Text: piece})
		}
	}
	per := max(c.MaxFiles, 1)
	for i := 0; i < len(files); i += per {
		group := files[i:min(i+per, len(files))]
		if i == 0 && len(out.drafts) > 0 {
			last := &out.drafts[len(out.drafts)-1]
			last.Files = group
			continue
		}
		out.drafts = append(out.drafts, Draft{As: as, Files: group})
	}
	for i := range out.drafts {
		out.drafts[i].Key = partKey(key, i)
	}
	if len(out.drafts) > 0 {
		out.drafts[0].ReplyTo = reply
	}
	return out
}

func partKey(key string, i int) string {
	if i == 0 {
		return key
	}
	var b [20]byte
	n := len(b)
	for v := i; v > 0; v /= 10 {
		n--
		b[n] = byte('0' + v%10)
	}
	return key + "." + string(b[n:])
}
