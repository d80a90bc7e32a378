package wecomtest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1" //nolint:gosec // WeCom signs with SHA-1
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The cipher is written here once more, so that a mistake in the gateway's is not made twice.
// https://developer.work.weixin.qq.com/document/path/90968

func sign(parts ...string) string {
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, ""))) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}

func (s *Server) cipher() (cipher.Block, []byte) {
	key, err := base64.StdEncoding.DecodeString(s.opts.AESKey + "=")
	if err != nil || len(key) != 32 {
		panic("wecomtest: AESKey has 43 letters and digits")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	return block, key[:aes.BlockSize]
}

func (s *Server) encrypt(msg []byte) string {
	block, iv := s.cipher()
	b := []byte("0123456789abcdef")
	b = binary.BigEndian.AppendUint32(b, uint32(len(msg))) //nolint:gosec // a push is small
	b = append(append(b, msg...), s.opts.CorpID...)
	pad := 32 - len(b)%32
	b = append(b, bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(b, b)
	return base64.StdEncoding.EncodeToString(b)
}

func (s *Server) decrypt(text string) ([]byte, error) {
	block, iv := s.cipher()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) == 0 || len(b)%32 != 0 {
		return nil, errors.New("not whole")
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(b, b)
	pad := int(b[len(b)-1])
	if pad < 1 || pad > 32 || len(b)-pad < 20 {
		return nil, errors.New("padding")
	}
	b = b[:len(b)-pad]
	n := int(binary.BigEndian.Uint32(b[16:]))
	if n > len(b)-20 || string(b[20+n:]) != s.opts.CorpID {
		return nil, errors.New("length or receiver")
	}
	return b[20 : 20+n], nil
}

// reply is what a push may be answered: https://developer.work.weixin.qq.com/document/path/90241
type reply struct {
	To     string `xml:"ToUserName"`
	From   string `xml:"FromUserName"`
	Type   string `xml:"MsgType"`
	Button struct {
		Name string `xml:"ReplaceName"`
	} `xml:"Button"`
}

// open reads an encrypted answer.
func (s *Server) open(body []byte) (*reply, error) {
	var w struct {
		Encrypt, MsgSignature, TimeStamp, Nonce string
	}
	if err := xml.Unmarshal(body, &w); err != nil {
		return nil, fmt.Errorf("the answer is no XML: %w", err)
	}
	if w.MsgSignature != sign(s.opts.Token, w.TimeStamp, w.Nonce, w.Encrypt) {
		return nil, errors.New("the answer is not signed")
	}
	msg, err := s.decrypt(w.Encrypt)
	if err != nil {
		return nil, fmt.Errorf("the answer cannot be decrypted: %w", err)
	}
	var r reply
	if err := xml.Unmarshal(msg, &r); err != nil {
		return nil, fmt.Errorf("the answer is no XML: %w", err)
	}
	return &r, nil
}
