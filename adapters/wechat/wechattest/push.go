package wechattest

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // WeChat signs with it
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tries is how often a push is brought. https://developers.weixin.qq.com/doc/service/guide/product/message/Receiving_standard_messages.html
const tries = 3

// patience is how long an act waits for its push to be tried once, so that what a customer does next comes later.
const patience = 300 * time.Millisecond

// push brings something to the gateway, and again if it is not taken. A customer's pushes are tried in order.
func (s *Server) push(c *customer, fields []Field) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.pushes.Add(1)
	created := s.now().Unix()
	before, done := c.pushed, make(chan struct{})
	c.pushed = done
	s.mu.Unlock()
	body := s.body(c.openid, created, fields)
	go func() {
		defer s.pushes.Done()
		if before != nil {
			<-before
		}
		if !s.try(c, body) {
			s.again(failed{c, body, 1, time.Now().Add(s.opts.Repeat)})
		}
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
	}
}

// failed is a push that was not taken.
type failed struct {
	c     *customer
	body  []byte
	tries int
	due   time.Time
}

// again puts a push in the queue of those that come again, if it has tries left.
func (s *Server) again(f failed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.tries == tries {
		s.lost++
		return
	}
	s.queue = append(s.queue, f)
}

// repeat brings again what was not taken, until the server is closed.
func (s *Server) repeat() {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return
		}
		var due []failed
		s.queue = slices.DeleteFunc(s.queue, func(f failed) bool {
			if time.Now().Before(f.due) {
				return false
			}
			due = append(due, f)
			return true
		})
		s.mu.Unlock()
		for _, f := range due {
			if !s.try(f.c, f.body) {
				f.tries++
				f.due = time.Now().Add(s.opts.Repeat)
				s.again(f)
			}
		}
	}
}

// numbers are the elements that are no text in JSON.
func numbers() []string { return []string{"CreateTime", "MsgId", "Location_X", "Location_Y", "Scale"} }

// body is a push in the clear.
func (s *Server) body(openid string, created int64, fields []Field) []byte {
	all := append([]Field{
		{"ToUserName", Account}, {"FromUserName", openid}, {"CreateTime", strconv.FormatInt(created, 10)},
	}, fields...)
	if s.opts.JSON {
		m := map[string]any{}
		for _, f := range all {
			m[f.Name] = f.Value
			if slices.Contains(numbers(), f.Name) {
				m[f.Name] = json.Number(f.Value)
			}
		}
		b, _ := json.Marshal(m) // of texts and numbers
		return b
	}
	var b bytes.Buffer
	b.WriteString("<xml>")
	for _, f := range all {
		if slices.Contains(numbers(), f.Name) {
			fmt.Fprintf(&b, "<%s>%s</%s>\n", f.Name, f.Value, f.Name)
			continue
		}
		fmt.Fprintf(&b, "<%s><![CDATA[%s]]></%s>\n", f.Name, strings.ReplaceAll(f.Value, "]]>", "]]]]><![CDATA[>"), f.Name)
	}
	b.WriteString("</xml>")
	return b.Bytes()
}

// Sealed is a push ready to be called, of now; an age makes it older.
func (s *Server) Sealed(openid string, age time.Duration, fields ...Field) (query url.Values, body []byte) {
	s.mu.Lock()
	at := s.now().Add(-age)
	s.mu.Unlock()
	return s.seal(s.body(openid, at.Unix(), fields), openid, at)
}

// seal puts a push into its envelope.
func (s *Server) seal(body []byte, openid string, at time.Time) (url.Values, []byte) {
	stamp, nonce := strconv.FormatInt(at.Unix(), 10), strconv.FormatInt(at.UnixNano()%1e9, 10)
	q := url.Values{"timestamp": {stamp}, "nonce": {nonce}, "openid": {openid}, "signature": {sign(s.opts.Token, stamp, nonce)}}
	if s.opts.Mode == Plain {
		return q, body
	}
	text := s.encrypt(body)
	q.Set("encrypt_type", "aes")
	q.Set("msg_signature", sign(s.opts.Token, stamp, nonce, text))
	if s.opts.JSON {
		m := map[string]any{"ToUserName": Account, "Encrypt": text}
		if s.opts.Mode == Compatible {
			dec := json.NewDecoder(bytes.NewReader(body))
			dec.UseNumber()
			_ = dec.Decode(&m) // made by body
		}
		b, _ := json.Marshal(m) // of texts and numbers
		return q, b
	}
	clear := []byte("<ToUserName><![CDATA[" + Account + "]]></ToUserName>")
	if s.opts.Mode == Compatible {
		clear = bytes.TrimSuffix(bytes.TrimPrefix(body, []byte("<xml>")), []byte("</xml>"))
	}
	return q, fmt.Appendf(nil, "<xml>%s<Encrypt><![CDATA[%s]]></Encrypt></xml>", clear, text)
}

func sign(parts ...string) string {
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, ""))) //nolint:gosec // WeChat signs with it
	return hex.EncodeToString(sum[:])
}

func (s *Server) block() (cipher.Block, []byte) {
	key, err := base64.StdEncoding.DecodeString(s.opts.AESKey + "=")
	if err != nil {
		panic(err) // the test's own key
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	return block, key[:aes.BlockSize]
}

func (s *Server) encrypt(msg []byte) string {
	b := []byte(rand.Text()[:16])
	b = binary.BigEndian.AppendUint32(b, uint32(len(msg))) //nolint:gosec // a push is small
	b = append(append(b, msg...), s.opts.AppID...)
	pad := 32 - len(b)%32
	b = append(b, bytes.Repeat([]byte{byte(pad)}, pad)...)
	block, iv := s.block()
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(b, b)
	return base64.StdEncoding.EncodeToString(b)
}

func (s *Server) decrypt(text string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) == 0 || len(b)%32 != 0 {
		return nil, errors.New("not whole")
	}
	block, iv := s.block()
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(b, b)
	b = b[:len(b)-int(b[len(b)-1])]
	n := binary.BigEndian.Uint32(b[16:])
	if string(b[20+n:]) != s.opts.AppID {
		return nil, errors.New("not from the account")
	}
	return b[20 : 20+n], nil
}

// try calls the gateway once; true: it was taken.
func (s *Server) try(c *customer, body []byte) bool {
	s.mu.Lock()
	hook, at := s.hook, s.now()
	s.mu.Unlock()
	if hook == "" {
		return false
	}
	q, sealed := s.seal(body, c.openid, at)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook+"?"+q.Encode(), bytes.NewReader(sealed))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "text/xml")
	resp, err := s.client.Do(req)
	if err != nil {
		return false
	}
	answer, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered(c, q, answer)
	return true
}

// passive is an answer to a push.
type passive struct {
	ToUserName, FromUserName, MsgType, Content string
	CreateTime                                 int64
}

// answered shows the customer what came with the answer.
func (s *Server) answered(c *customer, q url.Values, answer []byte) {
	if len(answer) == 0 || string(answer) == "success" {
		return
	}
	if s.opts.Mode != Plain {
		var sealed struct {
			Encrypt, MsgSignature, Nonce string
			TimeStamp                    json.Number
		}
		if err := s.parse(answer, &sealed); err != nil {
			s.complain("the answer to a push is %q: %v", answer, err)
			return
		}
		if sealed.MsgSignature != sign(s.opts.Token, sealed.TimeStamp.String(), sealed.Nonce, sealed.Encrypt) || sealed.Nonce != q.Get("nonce") {
			s.complain("the answer to a push is signed wrongly: %q", answer)
			return
		}
		var err error
		if answer, err = s.decrypt(sealed.Encrypt); err != nil {
			s.complain("the answer to a push cannot be decrypted: %v", err)
			return
		}
	}
	var m passive
	if err := s.parse(answer, &m); err != nil || m.MsgType != "text" || m.ToUserName != c.openid || m.FromUserName != Account ||
		m.CreateTime == 0 || textCode(m.Content) != 0 {
		s.complain("the answer to a push reads %q: %v", answer, err)
		return
	}
	c.shown = append(c.shown, Shown{Type: "text", Text: m.Content, Passive: true})
}

func (s *Server) parse(b []byte, v any) error {
	if s.opts.JSON {
		return json.Unmarshal(b, v)
	}
	return xml.Unmarshal(b, v)
}
