package wecomtest

import (
	"html"
	"regexp"
	"strings"
	"unicode/utf8"
)

// textCard: https://developer.work.weixin.qq.com/document/path/90236#文本卡片消息
type textCard struct {
	Title       string `json:"title"`
	Description string `json:"description"`
	URL         string `json:"url"`
	Button      string `json:"btntxt"`
}

// page is an article whose text WeCom keeps: https://developer.work.weixin.qq.com/document/path/90236#图文消息（mpnews）
type page struct {
	Title   string `json:"title"`
	Thumb   string `json:"thumb_media_id"`
	Author  string `json:"author"`
	Source  string `json:"content_source_url"`
	Content string `json:"content"`
	Digest  string `json:"digest"`
}

// mostSafe is the largest value of safe that the documents give for a kind; 0 has none.
func mostSafe(kind string) int {
	return map[string]int{"text": 1, "image": 1, "video": 1, "file": 1, "mpnews": 2}[kind]
}

var (
	cardTag   = regexp.MustCompile(`<div class="(?:gray|normal|highlight)">(.*?)</div>`)
	paragraph = regexp.MustCompile(`(?s)<p>(.*?)</p>`)
	anyTag    = regexp.MustCompile(`<[/!?A-Za-z]|&[#A-Za-z]`)
	webStart  = regexp.MustCompile(`^https?://[^/?#@]+(?:[/?#]|$)`)
)

func (s *Server) composeTextCard(m *Message, c *textCard) (*Message, *refusal) {
	if c.Title == "" || c.Description == "" || c.URL == "" {
		return nil, refuse(40058, "textcard wants title, description and url")
	}
	if !webStart.MatchString(c.URL) || len(c.URL) > 2048 {
		return nil, refuse(40058, "textcard wants a url of http or https, of at most 2048 bytes")
	}
	if n := utf8.RuneCountInString(c.Title); n > 128 { // WeCom cuts off what is too long, which no sender wants
		s.complain("a text card's title of %d characters, more than 128", n)
	}
	if n := utf8.RuneCountInString(c.Description); n > 512 {
		s.complain("a text card's description of %d characters, more than 512", n)
	}
	if n := utf8.RuneCountInString(c.Button); n > 4 {
		s.complain("a text card's button of %d characters, more than 4", n)
	}
	text := cardTag.ReplaceAllString(strings.ReplaceAll(c.Description, "</div><div", "</div>\n<div"), "$1")
	if anyTag.MatchString(c.Title) || anyTag.MatchString(text) {
		s.complain("a text card with HTML that is not documented: %s %s", c.Title, c.Description)
	}
	m.Title, m.Text, m.URL = c.Title, c.Title+"\n"+text, c.URL
	return m, nil
}

func (s *Server) composeMPNews(m *Message, list []page) (*Message, *refusal) {
	if len(list) < 1 || len(list) > 8 {
		return nil, refuse(40058, "articles must be 1 to 8")
	}
	a := list[0]
	thumb := s.media[a.Thumb]
	switch {
	case a.Title == "" || a.Thumb == "" || a.Content == "":
		return nil, refuse(40058, "articles want title, thumb_media_id and content")
	case thumb == nil || thumb.kind != "image" || s.now().Sub(thumb.at) > mediaLife:
		return nil, refuse(40007, "invalid media_id")
	case len(a.Content) > 666_000:
		return nil, refuse(45002, "content too long")
	}
	if len(a.Title) > 128 || len(a.Digest) > 512 || len(a.Author) > 64 {
		s.complain("an article's title, digest and author of %d, %d and %d bytes; 128, 512 and 64 are shown", len(a.Title), len(a.Digest), len(a.Author))
	}
	var lines []string
	for _, p := range paragraph.FindAllStringSubmatch(a.Content, -1) {
		lines = append(lines, strings.ReplaceAll(html.UnescapeString(p[1]), "\u00a0", " "))
		if strings.ContainsAny(p[1], "<>") || strings.Contains(p[1], "  ") {
			s.complain("an article with text that is not escaped: %.100s", p[1])
		}
	}
	if anyTag.MatchString(a.Title + a.Digest) {
		s.complain("an article whose title or digest might be read as HTML: %s %s", a.Title, a.Digest)
	}
	if rest := paragraph.ReplaceAllString(a.Content, ""); rest != "" {
		s.complain("an article with %.100q outside its paragraphs", rest)
	}
	m.Title, m.Digest, m.Text = a.Title, a.Digest, strings.Join(lines, "\n")
	return m, nil
}
