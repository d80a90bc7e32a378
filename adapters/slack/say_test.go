package slack

import (
	"io"
	"strings"
	"testing"

	"github.com/hutong-im/hutong/bridge"
)

func attached(name, data string, size int64) bridge.Attachment {
	return bridge.Attachment{
		File: bridge.File{Name: name, Size: size},
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(data)), nil },
	}
}

// What of a message is said with it: nothing is fetched for what customers write, signs are read only where there are any.
func TestHowItIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		rooms string
		draft bridge.Draft
		want  map[string]string
	}{
		"plain":            {roomsChannel, bridge.Draft{Text: "2 * 3 * 4"}, map[string]string{"mrkdwn": "false", "unfurl_links": "false", "unfurl_media": "false"}},
		"styled":           {roomsChannel, bridge.Draft{Text: "**a**"}, map[string]string{"mrkdwn": "", "unfurl_links": "false"}},
		"a file":           {roomsChannel, bridge.Draft{Text: "a", Files: []bridge.Attachment{attached("", "abc", 3)}}, map[string]string{"mrkdwn": "", "unfurl_links": ""}},
		"in a thread":      {roomsThread, bridge.Draft{Text: "a"}, map[string]string{"mrkdwn": "", "unfurl_links": "false"}},
		"quiet":            {roomsThread, bridge.Draft{Text: "a", Quiet: true}, map[string]string{"mrkdwn": "false"}},
		"by nobody":        {roomsChannel, bridge.Draft{Text: "a"}, map[string]string{"username": "", "icon_emoji": ""}},
		"by name":          {roomsChannel, bridge.Draft{Text: "a", As: bridge.Label{Name: "王"}}, map[string]string{"username": "王", "icon_emoji": ":bust_in_silhouette:"}},
		"by a long name":   {roomsChannel, bridge.Draft{Text: "a", As: bridge.Label{Text: strings.Repeat("王", 81)}}, map[string]string{"username": strings.Repeat("王", 79) + "…"}},
		"the longest name": {roomsChannel, bridge.Draft{Text: "a", As: bridge.Label{Text: strings.Repeat("王", 80)}}, map[string]string{"username": strings.Repeat("王", 80)}},
	} {
		w := newWorkspace(t, c.rooms, false)
		room, _ := w.Room()
		r := newRig(t, w)
		if _, err := r.a.Send(t.Context(), room, c.draft); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for k, v := range c.want {
			if got := w.forms["chat.postMessage"].Get(k); got != v {
				t.Errorf("%s: %s is %q, want %q", name, k, got, v)
			}
		}
	}
}

// Files that cannot be shown are refused before anything is said.
func TestFilesThatCannotBeSent(t *testing.T) {
	good := attached("a.txt", "abc", 3)
	for name, c := range map[string]struct {
		files          []bridge.Attachment
		method, answer string // of Slack
		want           string
		is             bridge.Verdict
	}{
		"ten":         {files: []bridge.Attachment{good, good, good, good, good, good, good, good, good, good}},
		"eleven":      {[]bridge.Attachment{good, good, good, good, good, good, good, good, good, good, good}, "", "", "11 files, more than 10", bridge.VerdictPermanent},
		"empty":       {[]bridge.Attachment{attached("a.txt", "", 0)}, "", "", "Slack takes 1 to", bridge.VerdictPermanent},
		"too large":   {[]bridge.Attachment{attached("a.txt", "", maxFile+1)}, "", "", "Slack takes 1 to", bridge.VerdictPermanent},
		"cut":         {[]bridge.Attachment{attached("a.txt", "ab", 3)}, "", "", "upload: ", bridge.VerdictRetry},
		"lost":        {[]bridge.Attachment{good}, "upload", "lost", "upload: ", bridge.VerdictRetry},
		"to somebody": {[]bridge.Attachment{good}, "files.getUploadURLExternal", `{"ok":true,"upload_url":"https://evil.example/x","file_id":"F1"}`, "not its own", bridge.VerdictRetry},
	} {
		w := newWorkspace(t, roomsChannel, false)
		room, _ := w.Room()
		r := newRig(t, w)
		if c.answer != "" {
			w.answers[c.method] = c.answer
		}
		_, err := r.a.Send(t.Context(), room, bridge.Draft{Key: "k", Files: c.files})
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || bridge.Judge(err).Verdict != c.is) {
			t.Errorf("%s: %v", name, err)
		}
		if said := w.count("chat.postMessage"); (said == 0) != (c.want != "") {
			t.Errorf("%s: said %d times", name, said)
		}
	}
}
