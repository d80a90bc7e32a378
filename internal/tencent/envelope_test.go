package tencent

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hutong-im/hutong/bridge"
)

// vector is a published example, or one computed for a boundary: testdata/vectors.json.
type vector struct {
	Name, Token, Key, ID, Timestamp, Nonce, Random, Signature, Encrypt, Msg string

	Holds []string // of the message, where the whole is not published
}

func vectors(t testing.TB) []vector {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var out []vector
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// at is a clock that stands still.
func at(t testing.TB, stamp string) func() time.Time {
	t.Helper()
	unix, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return func() time.Time { return time.Unix(unix, 0) }
}

func (v vector) envelope(t testing.TB, n Network) *Envelope {
	t.Helper()
	e, err := NewEnvelope(EnvelopeOptions{
		Network: n, Token: bridge.MakeSecret(v.Token), AESKey: bridge.MakeSecret(v.Key), Receiver: v.ID, Now: at(t, v.Timestamp),
	}, "app_id")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (v vector) query() url.Values {
	return url.Values{"msg_signature": {v.Signature}, "timestamp": {v.Timestamp}, "nonce": {v.Nonce}, "encrypt_type": {"aes"}}
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			e := v.envelope(t, WeComNetwork)
			if v.Signature == "" { // the vector is about the cipher alone
				v.Signature = Signature(v.Token, v.Timestamp, v.Nonce, v.Encrypt)
			}
			q := v.query()
			q.Set("echostr", v.Encrypt)
			echo, err := e.Check(q)
			if err != nil {
				t.Fatal(err)
			}
			if v.Msg != "" && echo != v.Msg {
				t.Errorf("%q, want %q", echo, v.Msg)
			}
			for _, part := range v.Holds {
				if !strings.Contains(echo, part) {
					t.Errorf("%q does not hold %q", echo, part)
				}
			}
			if v.Random == "" {
				return
			}
			if text, err := encrypt(e.key, []byte(v.Random), []byte(echo), v.ID); err != nil || text != v.Encrypt {
				t.Errorf("encrypts to %s, %v; want %s", text, err, v.Encrypt)
			}
		})
	}
}

// The plain signatures of the documents' page on pushes, and their echo.
func TestPlainVectors(t *testing.T) {
	for _, c := range []struct{ token, stamp, nonce, sig, echo string }{
		{"AAAAA", "1714036504", "1514711492", "f464b24fc39322e44b38aa78f5edd27bd1441696", "4375120948345356249"},
		{"AAAAA", "1714037059", "486452656", "899cf89e464efb63f54ddac96b0a0a235f53aa78", ""},
		{"weixin", "1500000000", "1320562132", "55b48f59080ee74e45d7022a540a6595f5cdc42e", "a+b/c="},
	} {
		e, err := NewEnvelope(EnvelopeOptions{Token: bridge.MakeSecret(c.token), Receiver: "wx1", Now: at(t, c.stamp)}, "app_id")
		if err != nil {
			t.Fatal(err)
		}
		q := url.Values{"signature": {c.sig}, "timestamp": {c.stamp}, "nonce": {c.nonce}, "echostr": {c.echo}}
		if echo, err := e.Check(q); err != nil || echo != c.echo {
			t.Errorf("%s: %q, %v", c.stamp, echo, err)
		}
		body := []byte("<xml><Content>hi</Content></xml>")
		if p, err := e.Open(q, body); err != nil || string(p.Body) != string(body) || p.JSON {
			t.Errorf("%s: %+v, %v", c.stamp, p, err)
		}
		q.Set("encrypt_type", "raw")
		if _, err := e.Open(q, body); err != nil {
			t.Errorf("encrypt_type=raw: %v", err)
		}
		q.Set("encrypt_type", "aes")
		if _, err := e.Open(q, body); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "aes_key") {
			t.Errorf("encrypted, but no key: %v", err)
		}
	}
}

// pushed is a body as a network would push it, with its query.
func pushed(t testing.TB, e *Envelope, msg, receiver string, asJSON bool) (url.Values, []byte) {
	t.Helper()
	text, err := encrypt(e.key, []byte("0123456789abcdef"), []byte(msg), receiver)
	if err != nil {
		t.Fatal(err)
	}
	stamp := strconv.FormatInt(e.opts.Now().Unix(), 10)
	q := url.Values{"timestamp": {stamp}, "nonce": {"n+1 &"}, "encrypt_type": {"aes"}}
	q.Set("msg_signature", Signature(e.opts.Token.Reveal(), stamp, "n+1 &", text))
	q.Set("signature", Signature(e.opts.Token.Reveal(), stamp, "n+1 &"))
	if asJSON {
		return q, []byte(`{"ToUserName":"gh_1","Encrypt":"` + text + `"}`)
	}
	return q, []byte("<xml><ToUserName><![CDATA[gh_1]]></ToUserName><Content>clear</Content><Encrypt><![CDATA[" + text + "]]></Encrypt></xml>")
}

func TestOpenAndSeal(t *testing.T) {
	e := vectors(t)[0].envelope(t, OfficialAccountNetwork)
	for name, msg := range map[string]string{
		"empty": "", "text": "<xml><Content><![CDATA[你好 ]]]]><![CDATA[> 👋]]></Content></xml>", "json": `{"Content":"你好 <&>"}`,
		"31 bytes": strings.Repeat("x", 31), "32 bytes": strings.Repeat("x", 32), "half a MiB": strings.Repeat("字", 1<<19/3),
	} {
		for _, asJSON := range []bool{false, true} {
			q, body := pushed(t, e, msg, e.opts.Receiver, asJSON)
			p, err := e.Open(q, body)
			if err != nil || string(p.Body) != msg || p.JSON != strings.HasPrefix(msg, "{") {
				t.Errorf("%s, JSON %v: %v", name, asJSON, err)
				continue
			}
			out, err := e.Seal(p, []byte("answer 好"))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got := unsealed(t, e, out, p.JSON); got != "answer 好" {
				t.Errorf("%s: the answer became %q", name, got)
			}
		}
	}
	if out, err := e.Seal(Push{encrypted: true}, nil); err != nil || out != nil {
		t.Errorf("no answer became %q, %v", out, err)
	}
	if out, err := e.Seal(Push{}, []byte("clear")); err != nil || string(out) != "clear" {
		t.Errorf("a clear answer became %q, %v", out, err)
	}
	if _, err := e.Seal(Push{encrypted: true}, make([]byte, MaxBody+1)); !errors.Is(err, bridge.ErrTooLarge) {
		t.Errorf("an answer too large: %v", err)
	}
}

// unsealed reads an answer as the network does.
func unsealed(t *testing.T, e *Envelope, out []byte, asJSON bool) string {
	t.Helper()
	var a struct {
		Encrypt, MsgSignature, Nonce string
		TimeStamp                    int64
	}
	read := xml.Unmarshal
	if asJSON {
		read = json.Unmarshal
	}
	if err := read(out, &a); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	stamp := strconv.FormatInt(a.TimeStamp, 10)
	if a.Nonce != "n+1 &" || a.MsgSignature != Signature(e.opts.Token.Reveal(), stamp, a.Nonce, a.Encrypt) {
		t.Errorf("the answer is not well signed: %s", out)
	}
	msg, receiver, err := decrypt(e.key, a.Encrypt)
	if err != nil || receiver != e.opts.Receiver {
		t.Errorf("the answer is for %q: %v", receiver, err)
	}
	return string(msg)
}

// The documents' own answers, whole.
func TestSealVectors(t *testing.T) {
	for _, v := range vectors(t) {
		if v.Random == "" || v.Signature == "" || v.Msg == "" {
			continue
		}
		e := v.envelope(t, OfficialAccountNetwork)
		unix := e.opts.Now().Unix()
		asJSON, err := e.seal([]byte(v.Msg), []byte(v.Random), unix, v.Nonce, true)
		want := `{"Encrypt":"` + v.Encrypt + `","MsgSignature":"` + v.Signature + `","TimeStamp":` + v.Timestamp + `,"Nonce":"` + v.Nonce + `"}`
		if err != nil || string(asJSON) != want {
			t.Errorf("%s: %s, %v\nwant %s", v.Name, asJSON, err, want)
		}
		asXML, err := e.seal([]byte(v.Msg), []byte(v.Random), unix, v.Nonce, false)
		want = "<xml><Encrypt><![CDATA[" + v.Encrypt + "]]></Encrypt><MsgSignature><![CDATA[" + v.Signature + "]]></MsgSignature><TimeStamp>" +
			v.Timestamp + "</TimeStamp><Nonce><![CDATA[" + v.Nonce + "]]></Nonce></xml>"
		if err != nil || string(asXML) != want {
			t.Errorf("%s: %s, %v\nwant %s", v.Name, asXML, err, want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	e := vectors(t)[0].envelope(t, WeComNetwork)
	now := e.opts.Now()
	type call struct {
		q    url.Values
		body []byte
	}
	change := func(f func(*call)) call {
		q, body := pushed(t, e, "<xml/>", e.opts.Receiver, false)
		c := call{q, body}
		f(&c)
		return c
	}
	other := func(receiver string) call {
		q, body := pushed(t, e, "<xml/>", receiver, false)
		return call{q, body}
	}
	shifted := func(d time.Duration) call {
		moved := *e
		moved.opts.Now = func() time.Time { return now.Add(d) }
		q, body := pushed(t, &moved, "<xml/>", e.opts.Receiver, false)
		return call{q, body}
	}
	signed := func(text string) call { // well signed, whatever the text
		stamp := strconv.FormatInt(now.Unix(), 10)
		q := url.Values{"timestamp": {stamp}, "nonce": {"n"}, "msg_signature": {Signature(e.opts.Token.Reveal(), stamp, "n", text)}}
		return call{q, []byte("<xml><Encrypt>" + text + "</Encrypt></xml>")}
	}
	noise := base64.StdEncoding.EncodeToString(make([]byte, 64))
	for _, c := range []struct {
		name string
		call call
		want error
	}{
		{"as it should be", other(e.opts.Receiver), nil},
		{"other nonce", change(func(c *call) { c.q.Set("nonce", "n2") }), ErrSignature},
		{"other time", change(func(c *call) { c.q.Set("timestamp", "1409659590") }), ErrSignature},
		{"other text", change(func(c *call) {
			c.body = []byte(strings.Replace(string(c.body), "<Encrypt><![CDATA[", "<Encrypt><![CDATA[A", 1))
		}), ErrSignature},
		{"signature in capitals", change(func(c *call) { c.q.Set("msg_signature", strings.ToUpper(c.q.Get("msg_signature"))) }), ErrSignature},
		{"only the plain signature", change(func(c *call) { c.q.Del("msg_signature") }), ErrSignature},
		{"the clear form only", change(func(c *call) { c.body = []byte("<xml><Content>x</Content></xml>") }), ErrMalformed},
		{"two encrypted texts", change(func(c *call) {
			c.body = []byte(strings.Replace(string(c.body), "<Encrypt>", "<Encrypt>x</Encrypt><Encrypt>", 1))
		}), ErrMalformed},
		{"no XML", change(func(c *call) { c.body = []byte("hello") }), ErrMalformed},
		{"no JSON", change(func(c *call) { c.body = []byte("{") }), ErrMalformed},
		{"empty", change(func(c *call) { c.body = nil }), ErrMalformed},
		{"9 minutes old", shifted(-9 * time.Minute), nil},
		{"11 minutes old", shifted(-11 * time.Minute), ErrOld},
		{"11 minutes ahead", shifted(11 * time.Minute), ErrOld},
		{"another corp", other("ww2"), ErrReceiver},
		{"no corp", other(""), ErrReceiver},
		{"a longer corp", other(e.opts.Receiver + "0"), ErrReceiver},
		{"too large", change(func(c *call) { c.body = make([]byte, MaxBody+1) }), bridge.ErrTooLarge},
		{"no Base64", signed("!!!!"), ErrMalformed},
		{"not whole blocks", signed(noise[:60]), ErrMalformed},
		{"nothing", signed(""), ErrMalformed},
		{"another key", signed(noise), ErrMalformed},
	} {
		_, err := e.Open(c.call.q, c.call.body)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), e.opts.Token.Reveal()) || strings.Contains(err.Error(), e.opts.AESKey.Reveal())) {
			t.Errorf("%s: the secret is in %v", c.name, err)
		}
	}
	e.opts.Window = -1
	c := shifted(-24 * time.Hour)
	if _, err := e.Open(c.q, c.body); err != nil {
		t.Errorf("any time is allowed: %v", err)
	}
}

// What the cipher itself refuses: packed is the text before it is encrypted, padding and all.
func TestDecryptRefuses(t *testing.T) {
	e := vectors(t)[0].envelope(t, WeComNetwork)
	for name, packed := range map[string]string{
		"padding of 0":        strings.Repeat("x", 31) + "\x00",
		"padding of 33":       strings.Repeat("!", 64),
		"padding not even":    strings.Repeat("x", 28) + "\x01\x04\x04\x04",
		"too short":           strings.Repeat("x", 19) + strings.Repeat("\x0d", 13),
		"longer than it is":   strings.Repeat("x", 16) + "\x00\x00\x00\x09abcdefgh" + strings.Repeat("\x04", 4),
		"length near 4 GiB":   strings.Repeat("x", 16) + "\xff\xff\xff\xffabcdefgh" + strings.Repeat("\x04", 4),
		"nothing but a pad":   strings.Repeat("\x20", 32),
		"sixteen-byte blocks": strings.Repeat("\x10", 16),
	} {
		if msg, receiver, err := decrypt(e.key, rawEncrypt(t, e.key, packed)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %q for %q, %v", name, msg, receiver, err)
		}
	}
}

func TestCheckPlus(t *testing.T) {
	v := vectors(t)[2] // its echostr has a +
	e := v.envelope(t, WeComNetwork)
	q := v.query()
	q.Set("echostr", strings.ReplaceAll(v.Encrypt, "+", " "))
	if echo, err := e.Check(q); err != nil || echo != v.Msg {
		t.Errorf("%q, %v", echo, err)
	}
	q.Set("nonce", "437374424")
	if _, err := e.Check(q); !errors.Is(err, ErrSignature) {
		t.Errorf("another nonce: %v", err)
	}
}

func TestNewEnvelopeNamesAll(t *testing.T) {
	good := vectors(t)[0].Key
	for _, c := range []struct {
		name  string
		o     EnvelopeOptions
		wants []string
	}{
		{"nothing", EnvelopeOptions{Network: WeComNetwork}, []string{"token: ", "corp_id: ", "aes_key: "}},
		{"plaintext needs no key", EnvelopeOptions{Token: bridge.MakeSecret("t"), Receiver: "wx1"}, nil},
		{"WeCom does", EnvelopeOptions{Network: WeComNetwork, Token: bridge.MakeSecret("t"), Receiver: "ww1"}, []string{"aes_key: "}},
		{"too short", EnvelopeOptions{Token: bridge.MakeSecret("t"), Receiver: "wx1", AESKey: bridge.MakeSecret(good[1:])}, []string{"aes_key: "}},
		{"with its =", EnvelopeOptions{Token: bridge.MakeSecret("t"), Receiver: "wx1", AESKey: bridge.MakeSecret(good + "=")}, []string{"aes_key: "}},
		{"other letters", EnvelopeOptions{Token: bridge.MakeSecret("t"), Receiver: "wx1", AESKey: bridge.MakeSecret("+" + good[1:])}, []string{"aes_key: "}},
	} {
		_, err := NewEnvelope(c.o, "corp_id")
		if (err == nil) != (len(c.wants) == 0) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, w := range c.wants {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v does not name %s", c.name, err, w)
			}
		}
		if err != nil && strings.Contains(err.Error(), good[1:]) {
			t.Errorf("%s: the key is in %v", c.name, err)
		}
	}
}
