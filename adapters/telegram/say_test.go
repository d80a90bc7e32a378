package telegram

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/hutong-im/hutong/adapters/telegram/telegramtest"
	"github.com/hutong-im/hutong/bridge"
)

// quiet is a rig whose adapter only speaks.
func quiet(t *testing.T) *rig {
	r := newRig(t, modePoll)
	r.Started(zhang)
	return r
}

func (r *rig) send(d bridge.Draft) ([]bridge.MsgID, error) {
	if d.Key == "" {
		d.Key = "key-" + d.Text
	}
	return r.adapter.Send(r.t.Context(), "42", d)
}

func (r *rig) must(ids []bridge.MsgID, err error) []bridge.MsgID {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	return ids
}

func pngFile(t *testing.T) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 4, 4))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func attach(name, typ string, data []byte) bridge.Attachment {
	return bridge.Attachment{
		File: bridge.File{Name: name, Type: typ, Size: int64(len(data))},
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}

func TestStyles(t *testing.T) {
	r := quiet(t)
	r.must(r.send(bridge.Draft{Text: "**李雷 · ACME**\n😀 见 [合同](https://a.example/x)"}))
	m := r.Messages(42)[0]
	want := []telegramtest.Entity{{Type: "bold", Offset: 0, Length: 9}, {Type: "text_link", Offset: 15, Length: 2, URL: "https://a.example/x"}}
	if m.Text != "李雷 · ACME\n😀 见 合同" || !slices.Equal(m.Entities, want) {
		t.Errorf("shown: %q %+v", m.Text, m.Entities)
	}
}

// A customer whom the member has muted makes no sound.
func TestQuiet(t *testing.T) {
	r := quiet(t)
	for i, d := range []bridge.Draft{
		{Text: "a"}, {Text: "b", Quiet: true}, {Text: "c", Quiet: true, Files: []bridge.Attachment{attach("a.txt", "text/plain", []byte("x"))}},
	} {
		r.must(r.send(d))
		if m := r.Messages(42)[i]; m.Silent != d.Quiet {
			t.Errorf("%q is silent: %v", d.Text, m.Silent)
		}
	}
}

// A text that is refused for its styles goes without them, once.
func TestStylesRefused(t *testing.T) {
	r := quiet(t)
	refuse := func(method string) {
		r.Refuse(method, http.StatusBadRequest, "Bad Request: can't parse entities: unsupported")
	}
	refuse("sendMessage")
	ids := r.must(r.send(bridge.Draft{Text: "**a** b"}))
	refuse("sendDocument")
	r.must(r.send(bridge.Draft{Text: "**c**", Files: []bridge.Attachment{attach("a.txt", "text/plain", []byte("x"))}}))
	refuse("editMessageText")
	if err := r.adapter.(bridge.Editor).Edit(t.Context(), "42", ids[0], bridge.Draft{Text: "**d**"}); err != nil {
		t.Error(err)
	}
	for i, want := range []string{"d", "c"} {
		if m := r.Messages(42)[i]; m.Text != want || len(m.Entities) != 0 {
			t.Errorf("shown: %q %+v, want %q", m.Text, m.Entities, want)
		}
	}
}

func TestFilesOfAllKinds(t *testing.T) {
	r := quiet(t)
	picture := pngFile(t)
	ids := r.must(r.send(bridge.Draft{Text: "看 **这里**", Files: []bridge.Attachment{
		attach("a.png", "image/png", picture), attach("b.mp4", "video/mp4", []byte("film")), attach("c.pdf", "application/pdf", []byte("doc")),
		attach("d.txt", "text/plain", []byte("doc2")), attach("e.ogg", "audio/ogg", []byte("OggS")), attach("f.ogg", "audio/ogg", []byte("OggS")),
		attach("g.mp3", "audio/mpeg", []byte("ID3")),
	}}))
	all := r.Messages(42)
	var kinds []string
	for _, m := range all {
		kinds = append(kinds, m.File.Kind)
	}
	if want := []string{"photo", "video", "document", "document", "voice", "voice", "audio"}; !slices.Equal(kinds, want) || len(ids) != 7 {
		t.Fatalf("shown as %q (%q), want %q", kinds, ids, want)
	}
	if all[0].Group == "" || all[0].Group != all[1].Group || all[2].Group != all[3].Group || all[4].Group != "" {
		t.Errorf("albums: %+v", all)
	}
	if all[0].Text != "看 这里" || len(all[0].Entities) != 1 || all[1].Text != "" || !bytes.Equal(all[0].File.Data, picture) || all[2].File.Name != "c.pdf" {
		t.Errorf("the first: %+v", all[0])
	}
	if keys, err := r.state.List(t.Context(), "half/", "", 10); err != nil || len(keys) > 0 {
		t.Errorf("left: %q, %v", keys, err)
	}
}

// What says it is a picture and is none goes as a document; so does one that is too large for a picture.
func TestNoPicture(t *testing.T) {
	r := quiet(t)
	r.must(r.send(bridge.Draft{Files: []bridge.Attachment{attach("a.png", "image/png", []byte("no picture"))}}))
	if m := r.Messages(42)[0]; m.File.Kind != "document" || m.File.Name != "a.png" {
		t.Errorf("shown as %+v", m.File)
	}
	if k := kind(bridge.File{Type: "image/png", Size: maxPhoto + 1}); k != "document" {
		t.Errorf("a huge picture is sent as %s", k)
	}
}

// Of a file that cannot be read Telegram gets half a request, which does nothing: it may be tried again.
func TestBrokenFile(t *testing.T) {
	r := quiet(t)
	f := attach("a.txt", "text/plain", make([]byte, 1<<20))
	f.Open = func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(make([]byte, 1<<19)), iotest.ErrReader(errors.New("the disk is broken")))), nil
	}
	for _, files := range [][]bridge.Attachment{{f}, {attach("b.txt", "text/plain", []byte("x")), f}} {
		_, err := r.send(bridge.Draft{Key: "k", Text: "x", Files: files})
		if bridge.Judge(err).Verdict != bridge.VerdictRetry || !strings.Contains(err.Error(), "the disk is broken") {
			t.Errorf("verdict %d: %v", bridge.Judge(err).Verdict, err)
		}
	}
	if len(r.Messages(42)) > 0 {
		t.Errorf("shown %+v", r.Messages(42))
	}
}

// A text too long to stand beside a file goes before it. The second try after a failure goes on where the first ended.
func TestLongTextBesideAFile(t *testing.T) {
	r := quiet(t)
	d := bridge.Draft{Key: "k", Text: strings.Repeat("汉", maxCaption+1), Files: []bridge.Attachment{attach("a.txt", "text/plain", []byte("x"))}}
	r.Refuse("sendDocument", http.StatusTooManyRequests, "Too Many Requests: retry after 3")
	if _, err := r.send(d); bridge.Judge(err).Verdict != bridge.VerdictWait {
		t.Fatalf("the file: %v", err)
	}
	r.open() // another life
	ids := r.must(r.send(d))
	all := r.Messages(42)
	if len(all) != 2 || len(ids) != 2 || all[0].File != nil || all[1].File == nil || ids[0] != msgOf(all[0].ID) || ids[1] != msgOf(all[1].ID) {
		t.Fatalf("shown %+v, ids %q", all, ids)
	}
	edit := func(text string) error {
		return r.adapter.(bridge.Editor).Edit(t.Context(), "42", ids[0], bridge.Draft{Text: text, Files: d.Files})
	}
	if err := edit("kurz"); err != nil || r.Messages(42)[0].Text != "kurz" {
		t.Errorf("edit: %v", err)
	}
	if err := edit(strings.Repeat("x", maxCaption+1)); err != nil {
		t.Errorf("edit to a long text: %v", err)
	}
}

func TestEditCaption(t *testing.T) {
	r := quiet(t)
	d := bridge.Draft{Text: "旧", Files: []bridge.Attachment{attach("a.txt", "text/plain", []byte("x"))}}
	ids := r.must(r.send(d))
	e, _ := r.adapter.(bridge.Editor)
	d.Text = "**新**"
	for range 2 { // the second changes nothing
		if err := e.Edit(t.Context(), "42", ids[0], d); err != nil || r.Messages(42)[0].Text != "新" {
			t.Errorf("edit: %v", err)
		}
	}
	d.Text = strings.Repeat("x", maxCaption+1)
	if err := e.Edit(t.Context(), "42", ids[0], d); bridge.Judge(err).Verdict != bridge.VerdictPermanent || !strings.Contains(err.Error(), "1024") {
		t.Errorf("a caption that is too long: %v", err)
	}
}

func TestDeleteAndReact(t *testing.T) {
	r := quiet(t)
	ids := r.must(r.send(bridge.Draft{Text: "a"}))
	react := func(emoji string) error {
		return r.adapter.(bridge.Reactor).React(t.Context(), "42", ids[0], emoji, true)
	}
	for _, emoji := range []string{"👍", "❤️", "❤", "👨‍💻"} {
		if err := react(emoji); err != nil || r.Messages(42)[0].Reactions[0] != strings.ReplaceAll(emoji, "\ufe0f", "") {
			t.Errorf("react %s: %v", emoji, err)
		}
	}
	for _, emoji := range []string{"🥳", "", " ", "👍🏽", "👍 👎"} {
		if err := react(emoji); bridge.Judge(err).Verdict != bridge.VerdictPermanent || !strings.Contains(err.Error(), "no reaction") {
			t.Errorf("react %q: %v", emoji, err)
		}
	}
	r.Age(42, num(ids[0]), 49*time.Hour)
	if err := r.adapter.(bridge.Deleter).Delete(t.Context(), "42", ids[0]); bridge.Judge(err).Verdict != bridge.VerdictPermanent || err.Error() != english.tooOldDelete {
		t.Errorf("delete after two days: %v", err)
	}
}

// What Telegram refuses is told in words, with the verdict that fits.
func TestRefusals(t *testing.T) {
	r := quiet(t)
	for name, c := range map[string]struct {
		code    int
		text    string
		verdict bridge.Verdict
		words   string
	}{
		"blocked":       {403, "Forbidden: bot was blocked by the user", bridge.VerdictPermanent, english.blocked},
		"deactivated":   {403, "Forbidden: user is deactivated", bridge.VerdictPermanent, english.deactivated},
		"never started": {403, "Forbidden: bot can't initiate conversation with a user", bridge.VerdictPermanent, english.notStarted},
		"not found":     {400, "Bad Request: chat not found", bridge.VerdictPermanent, english.gone},
		"upgraded":      {400, "Bad Request: group chat was upgraded to a supergroup chat", bridge.VerdictPermanent, english.group},
		"revoked":       {401, "Unauthorized", bridge.VerdictLogin, "@BotFather"},
		"no such bot":   {404, "Not Found", bridge.VerdictLogin, "adapters.tg.token"},
		"conflict":      {409, "Conflict: terminated by other getUpdates request", bridge.VerdictRetry, "another program"},
		"internal":      {500, "Internal Server Error", bridge.VerdictUnsure, "500"},
		"gateway":       {502, "Bad Gateway", bridge.VerdictUnsure, "502"},
		"unavailable":   {503, "Service Unavailable", bridge.VerdictRetry, "503"},
		"anything else": {400, "Bad Request: something new", bridge.VerdictPermanent, "something new"},
	} {
		r.Refuse("sendMessage", c.code, c.text)
		_, err := r.send(bridge.Draft{Text: "x"})
		if got := bridge.Judge(err).Verdict; got != c.verdict || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: verdict %d (%v), want %d and %q", name, got, err, c.verdict, c.words)
		}
	}
	if len(r.Messages(42)) > 0 {
		t.Errorf("something was shown: %+v", r.Messages(42))
	}
	r.Refuse("deleteMessage", 500, "Internal Server Error")
	if err := r.adapter.(bridge.Deleter).Delete(t.Context(), "42", "1"); bridge.Judge(err).Verdict != bridge.VerdictRetry {
		t.Errorf("what may be done twice: %v", err)
	}
}

// The server's own users say the same as the words of the documents.
func TestUnreachablePeople(t *testing.T) {
	r := quiet(t)
	r.Stranger(telegramtest.User{ID: 50})
	r.Started(telegramtest.User{ID: 51})
	r.Vanish(51)
	r.Started(telegramtest.User{ID: 52})
	r.Block(52, true)
	r.lobby.company.Language = "zh"
	r.open()
	for room, want := range map[bridge.RoomID]string{"50": chinese.notStarted, "51": chinese.deactivated, "52": chinese.blocked, "99": chinese.gone} {
		if _, err := r.adapter.Send(t.Context(), room, bridge.Draft{Key: "k", Text: "x"}); err == nil || err.Error() != want || bridge.Judge(err).Verdict != bridge.VerdictPermanent {
			t.Errorf("%s: %v, want %s", room, err, want)
		}
	}
}

// Telegram does not say whether it stops a chat or the bot. A second chat that it stops meanwhile means the bot.
func TestBusyChatOrBot(t *testing.T) {
	r := quiet(t)
	r.Started(telegramtest.User{ID: 43})
	r.Server.Trouble(telegramtest.Busy)
	for i, c := range []struct {
		room    bridge.RoomID
		account bool
	}{{"42", false}, {"42", false}, {"43", true}} {
		_, err := r.adapter.Send(t.Context(), c.room, bridge.Draft{Key: "k", Text: "x"})
		if j := bridge.Judge(err); j.Verdict != bridge.VerdictWait || j.Wait != telegramtest.RetryAfter*time.Second || j.Account != c.account {
			t.Errorf("%d: %+v (%v)", i, j, err)
		}
	}
}

// The token is part of every address. No error may show it, whatever breaks.
func TestTokenStaysSecret(t *testing.T) {
	r := quiet(t)
	id := r.must(r.send(bridge.Draft{Text: "x"}))[0]
	r.Close()
	var all []error
	_, err := r.send(bridge.Draft{Text: "y"})
	all = append(all, err)
	_, err = r.send(bridge.Draft{Files: []bridge.Attachment{attach("a.txt", "text/plain", []byte("x"))}})
	all = append(all, err, r.adapter.Run(t.Context(), r), r.adapter.(bridge.Prober).Probe(t.Context()))
	all = append(all, r.adapter.(bridge.Deleter).Delete(t.Context(), "42", id))
	_, err = r.adapter.(bridge.Fetcher).Fetch(t.Context(), bridge.File{Ref: "x"})
	all = append(all, err)
	cfg, _ := r.Config().(*Config)
	cfg.API = "http://127.0.0.1:1/\x7f"
	a := &adapter{cfg: *cfg, env: bridge.Env{Name: "tg", HTTP: r.client, Now: time.Now, State: r.state, Lobby: &r.lobby}, words: &english}
	_, err = a.Send(t.Context(), "42", bridge.Draft{Key: "k", Text: "x"})
	all = append(all, err, a.ask(t.Context(), "getMe", nil, nil))
	_, err = a.Send(t.Context(), "42", bridge.Draft{Key: "k", Files: []bridge.Attachment{attach("a.txt", "text/plain", []byte("x"))}})
	all = append(all, err)
	for i, err := range all {
		if err == nil {
			t.Errorf("%d: no error without a server", i)
		} else if strings.Contains(err.Error(), "secret-of-the-bot") || strings.Contains(err.Error(), telegramtest.Token) {
			t.Errorf("%d: the token is in %v", i, err)
		}
	}
}

// fetching breaks where the address with the token would be in net/http's error.
func TestTokenStaysSecretWhileFetching(t *testing.T) {
	r := newRig(t, modePoll)
	r.run()
	got := r.message(r.Say(telegramtest.Said{User: zhang, File: &telegramtest.File{Kind: "document", Name: "a", Data: []byte("x")}}))
	r.halt()
	cfg, _ := r.Config().(*Config)
	broken := errors.New("the line is cut")
	client := &http.Client{Transport: split{r.client.Transport, broken}}
	a := &adapter{cfg: *cfg, env: bridge.Env{Name: "tg", HTTP: client, Now: time.Now, State: r.state, Lobby: &r.lobby}, words: &english}
	_, err := a.Fetch(t.Context(), got.Files[0])
	if !errors.Is(err, broken) || strings.Contains(err.Error(), telegramtest.Token) {
		t.Errorf("fetch: %v", err)
	}
}

// split lets calls through and breaks downloads.
type split struct {
	next   http.RoundTripper
	broken error
}

func (s split) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.HasPrefix(req.URL.Path, "/file/") {
		return nil, s.broken
	}
	return s.next.RoundTrip(req)
}

func TestConfig(t *testing.T) {
	good := func() *Config {
		c, _ := Kind().New().(*Config)
		c.Token = bridge.MakeSecret(telegramtest.Token)
		return c
	}
	if err := good().Check(); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		spoil func(*Config)
		field string
	}{
		"no token":          {func(c *Config) { c.Token = bridge.Secret{} }, "token"},
		"half a token":      {func(c *Config) { c.Token = bridge.MakeSecret("AAF") }, "token"},
		"no address":        {func(c *Config) { c.API = "telegram" }, "api"},
		"plain http":        {func(c *Config) { c.API = "http://bots.example:8081" }, "api"},
		"mode":              {func(c *Config) { c.Mode = "push" }, "mode"},
		"short secret":      {func(c *Config) { c.Secret = bridge.MakeSecret("abc") }, "secret"},
		"secret with signs": {func(c *Config) { c.Secret = bridge.MakeSecret("abcdefghijklmnop!") }, "secret"},
		"too large files":   {func(c *Config) { c.MaxFile = maxUp + 1 }, "max_file"},
		"no files":          {func(c *Config) { c.MaxFile = 0 }, "max_file"},
	} {
		cfg := good()
		c.spoil(cfg)
		if err := cfg.Check(); err == nil || !strings.HasPrefix(err.Error(), c.field+": ") {
			t.Errorf("%s: %v, want a problem of %s", name, err, c.field)
		}
	}
	own := good()
	own.API, own.MaxFile = "https://bots.acme.example", maxOwnUp
	if err := own.Check(); err != nil {
		t.Errorf("a server of one's own: %v", err)
	}
}

func TestInvite(t *testing.T) {
	r := quiet(t)
	got, err := r.adapter.(bridge.Inviter).Invite(t.Context(), "CARD234567ABCDEF")
	if err != nil || got != "https://t.me/acme_bot?start=CARD234567ABCDEF" {
		t.Errorf("%q, %v", got, err)
	}
}
