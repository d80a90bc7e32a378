package tencent

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// rawEncrypt encrypts bytes as they are: whole blocks, with whatever padding they have.
func rawEncrypt(t testing.TB, key []byte, packed string) string {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	out := []byte(packed)
	cipher.NewCBCEncrypter(block, key[:ivSize]).CryptBlocks(out, out)
	return base64.StdEncoding.EncodeToString(out)
}

// message is a part of what is pushed.
type message struct {
	MsgType, Content string
	MsgId            uint64 //nolint:staticcheck // the name is the network's
}

func TestDecodeXML(t *testing.T) {
	bomb := `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><xml><Content>&b;</Content></xml>`
	for _, c := range []struct {
		name, body string
		want       *message // nil: refused
	}{
		{"CDATA", "<xml><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[你好 <b>&amp;]]></Content></xml>", &message{MsgType: "text", Content: "你好 <b>&amp;"}},
		{"text", "<xml><MsgType>text</MsgType><Content>a &lt;&#20320;</Content></xml>", &message{MsgType: "text", Content: "a <你"}},
		{"CDATA in pieces", "<xml><Content><![CDATA[a]]]]><![CDATA[>b]]></Content></xml>", &message{Content: "a]]>b"}},
		{"64 bits", "<xml><MsgId>18446744073709551615</MsgId></xml>", &message{MsgId: 1<<64 - 1}},
		{"declared, with a mark and spaces", "\ufeff<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xml><Content>a</Content></xml>\n<!-- end -->\n", &message{Content: "a"}},
		{"unknown elements", "<xml><New><Deep>1</Deep></New><Content>a</Content></xml>", &message{Content: "a"}},
		{"another root", "<root><Content>a</Content></root>", &message{Content: "a"}},
		{"a typed control character", "<xml><Content><![CDATA[a\x08b]]></Content></xml>", &message{Content: "a\ufffdb"}},
		{"no UTF-8", "<xml><Content>a\xffb</Content></xml>", &message{Content: "a\ufffdb"}},
		{"deep, but not too deep", strings.Repeat("<a>", 32) + strings.Repeat("</a>", 32), &message{}},
		{"too deep", strings.Repeat("<a>", 33) + strings.Repeat("</a>", 33), nil},
		{"far too deep", strings.Repeat("<a>", 200000), nil},
		{"a bomb", bomb, nil},
		{"a document type alone", "<!DOCTYPE xml><xml/>", nil},
		{"a document type from outside", `<!DOCTYPE xml SYSTEM "file:///etc/passwd"><xml/>`, nil},
		{"an unknown entity", "<xml><Content>&b;</Content></xml>", nil},
		{"an instruction", `<?php x?><xml/>`, nil},
		{"another encoding", `<?xml version="1.0" encoding="GBK"?><xml/>`, nil},
		{"two roots", "<xml/><xml/>", nil},
		{"text behind", "<xml/>more", nil},
		{"a document type behind", "<xml/><!DOCTYPE x>", nil},
		{"cut off", "<xml><Content>a", nil},
		{"crossed", "<xml><a></xml></a>", nil},
		{"not a number", "<xml><MsgId>1.5e9</MsgId></xml>", nil},
		{"nothing", "", nil},
		{"spaces", " \n", nil},
	} {
		var got message
		err := DecodeXML([]byte(c.body), &got)
		switch {
		case c.want == nil && !errors.Is(err, ErrMalformed):
			t.Errorf("%s: %+v, %v; want a refusal", c.name, got, err)
		case c.want != nil && (err != nil || got != *c.want):
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, *c.want)
		}
	}
}

func TestDecodeJSON(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       *message
	}{
		{"keys in CamelCase", `{"MsgType":"text","Content":"你好","MsgId":18446744073709551615,"New":[1]}`, &message{"text", "你好", 1<<64 - 1}},
		{"a mark before it", "\ufeff{}", &message{}},
		{"more behind", `{}{}`, nil},
		{"cut off", `{"Content":"a`, nil},
		{"deep", strings.Repeat("[", 100000), nil},
		{"another type", `{"Content":1}`, nil},
		{"nothing", ``, nil},
	} {
		var got message
		err := Push{Body: []byte(c.body), JSON: true}.Decode(&got)
		switch {
		case c.want == nil && !errors.Is(err, ErrMalformed):
			t.Errorf("%s: %+v, %v; want a refusal", c.name, got, err)
		case c.want != nil && (err != nil || got != *c.want):
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, *c.want)
		}
	}
	var got message
	if err := (Push{Body: []byte("<xml><Content>a</Content></xml>")}).Decode(&got); err != nil || got.Content != "a" {
		t.Errorf("XML: %+v, %v", got, err)
	}
}
