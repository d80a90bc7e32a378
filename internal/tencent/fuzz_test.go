package tencent

import (
	"net/url"
	"strconv"
	"testing"
	"unicode/utf8"

	"github.com/hutong-im/hutong/bridge"
)

// FuzzOpen: whatever is pushed, nothing gets through that was not signed, and nothing falls over.
func FuzzOpen(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.query().Encode(), []byte("<xml><Encrypt>"+v.Encrypt+"</Encrypt></xml>"))
		f.Add(v.query().Encode(), []byte(`{"Encrypt":"`+v.Encrypt+`"}`))
	}
	v := vectors(f)[0]
	f.Fuzz(func(t *testing.T, query string, body []byte) {
		q, _ := url.ParseQuery(query)
		for _, n := range []Network{OfficialAccountNetwork, WeComNetwork} {
			e := v.envelope(t, n)
			if _, err := e.Open(q, body); err != nil {
				continue
			}
			text, err := encrypted(body, isJSON(body))
			if err != nil || q.Get("msg_signature") != Signature(v.Token, q.Get("timestamp"), q.Get("nonce"), text) {
				t.Errorf("taken without a signature: %s", body)
			}
		}
	})
}

// FuzzDecrypt: bytes that decrypt to anything do not fall over, and what is read was all there.
func FuzzDecrypt(f *testing.F) {
	key, err := decodeKey(vectors(f)[0].Key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("0123456789abcdef\x00\x00\x00\x02hiww1\x07\x07\x07\x07\x07\x07\x07"))
	f.Add([]byte("0123456789abcdef\xff\xff\xff\xffhiww1\x07\x07\x07\x07\x07\x07\x07"))
	f.Fuzz(func(t *testing.T, packed []byte) {
		packed = packed[:len(packed)/padBlock*padBlock]
		msg, receiver, err := decrypt(key, rawEncrypt(t, key, string(packed)))
		if err == nil && len(msg)+len(receiver)+randomSize+lengthSize >= len(packed) {
			t.Errorf("%d bytes became %d and %d", len(packed), len(msg), len(receiver))
		}
	})
}

// FuzzSeal: what is sealed opens to the same.
func FuzzSeal(f *testing.F) {
	f.Add("<xml/>", "n", true)
	f.Add("", "]]>", false)
	v := vectors(f)[0]
	f.Fuzz(func(t *testing.T, msg, nonce string, asJSON bool) {
		if msg == "" || len(msg) > MaxBody/2 || !utf8.ValidString(nonce) || string(legal([]byte(nonce))) != nonce {
			return
		}
		e := v.envelope(t, WeComNetwork)
		out, err := e.Seal(Push{nonce: nonce, encrypted: true, JSON: asJSON}, []byte(msg))
		if err != nil {
			t.Fatal(err)
		}
		text, err := encrypted(out, asJSON)
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		stamp := strconv.FormatInt(e.opts.Now().Unix(), 10)
		q := url.Values{"timestamp": {stamp}, "nonce": {nonce}, "msg_signature": {Signature(v.Token, stamp, nonce, text)}}
		if p, err := e.Open(q, out); err != nil || string(p.Body) != msg {
			t.Errorf("%q became %q, %v", msg, p.Body, err)
		}
	})
}

func FuzzDecodeXML(f *testing.F) {
	f.Add([]byte("<xml><MsgType><![CDATA[text]]></MsgType><MsgId>1</MsgId></xml>"))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "b">]><xml>&a;</xml>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var m message
		if DecodeXML(body, &m) == nil && (!utf8.ValidString(m.Content) || len(m.Content) > 3*len(body)) {
			t.Errorf("%q became %q", body, m.Content)
		}
	})
}

func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`{"MsgType":"text","MsgId":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var m message
		if DecodeJSON(body, &m) == nil && len(m.Content) > 3*len(body) {
			t.Errorf("%q became %q", body, m.Content)
		}
	})
}

// FuzzAnswer: whatever the network answers to a call, no error is shown with a token, and an errcode is never success.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"errcode":40001,"errmsg":"` + secret + `"}`))
	f.Add([]byte(`{"errcode":-1,"errmsg":null}`))
	c := &Client{Codes: WeComCodes()}
	f.Fuzz(func(t *testing.T, body []byte) {
		var r refusal
		if DecodeJSON(body, &r) != nil || r.Code == 0 {
			return
		}
		err := c.fail("/x", secret, r)
		if bridge.Judge(err).Verdict == bridge.VerdictSent {
			t.Errorf("%s is success", body)
		}
		noSecret(t, err)
	})
}
