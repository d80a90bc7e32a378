package wechatkftest

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1" //nolint:gosec // Tencent's signatures are SHA-1
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SetHook tells where callbacks go from now on; "" is nowhere. Those under way have ended when it returns.
func (n *Network) SetHook(address string) {
	n.calling.Lock()
	defer n.calling.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hook = address
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// LoseCallbacks lets callbacks get lost, or not.
func (n *Network) LoseCallbacks(lose bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deaf = lose
}

// Callbacks counts those that were answered 200.
func (n *Network) Callbacks() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.callbacks
}

// changed sees that a callback tells of an account; n.mu is held.
func (n *Network) changed(account string) {
	n.dirty[account] = true
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// pushes sends callbacks: one for all that has happened to an account meanwhile.
func (n *Network) pushes() {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		select {
		case <-n.done:
			return
		case <-n.wake:
		}
		n.mu.Lock()
		var list []string
		for a := range n.dirty {
			list = append(list, a)
		}
		clear(n.dirty)
		n.mu.Unlock()
		for _, a := range list {
			n.push(client, a)
		}
	}
}

// push tries three times, as WeCom does.
func (n *Network) push(client *http.Client, account string) {
	for range 3 {
		n.mu.Lock()
		token := n.id("ENC")
		n.tokens[token] = pass{account, n.now().Add(10 * time.Minute)}
		text := fmt.Sprintf("<xml><ToUserName><![CDATA[%s]]></ToUserName><CreateTime>%d</CreateTime><MsgType><![CDATA[event]]></MsgType>"+
			"<Event><![CDATA[kf_msg_or_event]]></Event><Token><![CDATA[%s]]></Token><OpenKfId><![CDATA[%s]]></OpenKfId></xml>",
			n.opts.CorpID, n.now().Unix(), token, account)
		n.mu.Unlock()
		if n.Post(client, text) == http.StatusOK {
			return
		}
		select {
		case <-n.done:
			return
		case <-time.After(n.opts.Repeat):
		}
	}
}

// Post sends one callback with the text, rightly signed, and returns the status; 0 is none.
func (n *Network) Post(client *http.Client, text string) int {
	n.calling.Lock()
	defer n.calling.Unlock()
	n.mu.Lock()
	address, o, now, deaf := n.hook, n.opts, n.now(), n.deaf
	n.mu.Unlock()
	if address == "" || deaf {
		return 0
	}
	q, body := Seal(o, text, now)
	status := Call(client, address, q, body)
	if status == http.StatusOK {
		n.mu.Lock()
		n.callbacks++
		n.mu.Unlock()
	}
	return status
}

// Call posts a callback to an address.
func Call(client *http.Client, address string, q url.Values, body []byte) int {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, address+"?"+q.Encode(), bytes.NewReader(body))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "text/xml")
	resp, err := client.Do(req)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}

// Seal encrypts and signs a text as WeCom does (https://developer.work.weixin.qq.com/document/path/91144),
// written from the documents and not with the code that opens it.
func Seal(o Options, text string, now time.Time) (url.Values, []byte) {
	key, err := base64.StdEncoding.DecodeString(o.AESKey + "=")
	if err != nil {
		panic(err)
	}
	plain := append([]byte("0123456789abcdef"), binary.BigEndian.AppendUint32(nil, uint32(len(text)))...) //nolint:gosec // a test's text is short
	plain = append(plain, text+o.CorpID...)
	pad := 32 - len(plain)%32
	plain = append(plain, bytes.Repeat([]byte{byte(pad)}, pad)...)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	cipher.NewCBCEncrypter(block, key[:16]).CryptBlocks(plain, plain)
	secret := base64.StdEncoding.EncodeToString(plain)
	stamp, nonce := strconv.FormatInt(now.Unix(), 10), "1372623149"
	parts := []string{o.Token, stamp, nonce, secret}
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, ""))) //nolint:gosec // see above
	q := url.Values{"msg_signature": {hex.EncodeToString(sum[:])}, "timestamp": {stamp}, "nonce": {nonce}}
	return q, fmt.Appendf(nil, "<xml><ToUserName><![CDATA[%s]]></ToUserName><Encrypt><![CDATA[%s]]></Encrypt><AgentID><![CDATA[]]></AgentID></xml>", o.CorpID, secret)
}
