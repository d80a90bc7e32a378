package tencent

import (
	"bytes"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hutong-im/hutong/bridge"
	"github.com/hutong-im/hutong/internal/httpx"
)

// Network is which of Tencent's networks is spoken to.
type Network uint8

// The networks. WeComNetwork serves self-built apps and customer service (微信客服) alike.
const (
	OfficialAccountNetwork Network = iota
	WeComNetwork
)

// MaxBody is how many bytes of a push are read at most. Real ones have a few KiB: text is limited to
// 2048 bytes and files come by reference.
const MaxBody = 1 << 20

// defaultWindow is how old a push may be, and how far ahead of this clock.
const defaultWindow = 10 * time.Minute

// Errors of an envelope. What they are wrapped in says what a person must do.
var (
	// ErrSignature is a push that was not signed with the token: a stranger, or a wrong token in config.
	ErrSignature = errors.New("wrong signature")
	// ErrOld is a push that was signed too long ago, or in the future: a repetition by a stranger, or a
	// wrong clock.
	ErrOld = errors.New("signed too long ago or in the future")
	// ErrReceiver is a push to another account.
	ErrReceiver = errors.New("meant for another account")
	// ErrMalformed is a push that cannot be read.
	ErrMalformed = errors.New("malformed")
)

// EnvelopeOptions are what the two sides have agreed on in the network's console.
type EnvelopeOptions struct {
	Network Network
	Token   bridge.Secret
	// AESKey is the EncodingAESKey, 43 letters and digits. Only an Official Account in plaintext mode has
	// none. With a key nothing unencrypted is taken, because the plain signature does not cover the body.
	AESKey bridge.Secret
	// Receiver is the AppID of an Official Account, the CorpID of WeCom.
	Receiver string
	// Window is how far a push's time may be from this clock; 0 is 10 minutes, negative any.
	Window time.Duration
	Now    func() time.Time
}

// Envelope opens what a network pushes and seals what it is answered.
type Envelope struct {
	opts EnvelopeOptions
	key  []byte // nil in plaintext mode
}

// NewEnvelope checks the options; its errors are FieldErrors for the keys token, aes_key and the
// receiver's, named by receiverField, so that Config.Check can join them to its own.
func NewEnvelope(o EnvelopeOptions, receiverField string) (*Envelope, error) {
	e := &Envelope{opts: o}
	if e.opts.Window == 0 {
		e.opts.Window = defaultWindow
	}
	if e.opts.Now == nil {
		e.opts.Now = time.Now
	}
	var bad []error
	if o.Token.IsZero() {
		bad = append(bad, bridge.Problem("token", "missing: the Token (令牌) that stands in the console beside the callback's address"))
	}
	if o.Receiver == "" {
		bad = append(bad, bridge.Problem(receiverField, "missing"))
	}
	if !o.AESKey.IsZero() || o.Network == WeComNetwork {
		key, err := decodeKey(o.AESKey.Reveal())
		if err != nil {
			bad = append(bad, bridge.Problem("aes_key", "%v", err))
		}
		e.key = key
	}
	if err := errors.Join(bad...); err != nil {
		return nil, err
	}
	return e, nil
}

// Push is what a network brought, in the clear.
type Push struct {
	Body []byte // XML, or JSON if JSON is set
	JSON bool

	nonce     string
	encrypted bool
}

// Check verifies the GET with which a network asks whether an address is ours, and returns what to
// answer, byte by byte. Errors: ErrSignature, ErrOld, ErrReceiver, ErrMalformed.
func (e *Envelope) Check(q url.Values) (echo string, err error) {
	echo = q.Get("echostr")
	if e.opts.Network == OfficialAccountNetwork { // in the clear even in safe mode
		if err := e.signed(q.Get("signature"), q); err != nil {
			return "", err
		}
		return echo, nil
	}
	// Some proxies leave a + as it is, which then reads as a space; Base64 has none.
	echo = strings.ReplaceAll(echo, " ", "+")
	msg, err := e.decrypted(q, echo)
	return string(msg), err
}

// wrapper is the outside of an encrypted push. Fields of the clear form stand beside it in
// compatible mode.
type wrapper struct {
	Encrypt []string `xml:"Encrypt"`
}

// Open verifies a pushed body and takes it out of its envelope. Errors: ErrSignature, ErrOld,
// ErrReceiver, ErrMalformed; bridge.ErrTooLarge for more than MaxBody.
func (e *Envelope) Open(q url.Values, body []byte) (Push, error) {
	if len(body) > MaxBody {
		return Push{}, fmt.Errorf("a push of more than %d bytes: %w", MaxBody, bridge.ErrTooLarge)
	}
	p := Push{Body: body, JSON: isJSON(body), nonce: q.Get("nonce")}
	if e.key == nil {
		if q.Get("encrypt_type") == "aes" {
			return Push{}, fmt.Errorf("the push is encrypted; set aes_key to the EncodingAESKey of the console: %w", ErrMalformed)
		}
		return p, e.signed(q.Get("signature"), q)
	}
	if q.Get("msg_signature") == "" {
		return Push{}, fmt.Errorf("the push is not encrypted; choose safe mode (安全模式) in the console, or remove aes_key: %w", ErrSignature)
	}
	text, err := encrypted(body, p.JSON)
	if err != nil {
		return Push{}, err
	}
	p.Body, err = e.decrypted(q, text)
	if err != nil {
		return Push{}, err
	}
	p.encrypted, p.JSON = true, isJSON(p.Body)
	return p, nil
}

// encrypted finds the encrypted text, which must be there once: two could be read one way by the
// signature and another way by the cipher.
func encrypted(body []byte, isJSON bool) (string, error) {
	if isJSON {
		var w struct{ Encrypt string } // in any case: aibots write "encrypt"
		if err := DecodeJSON(body, &w); err != nil {
			return "", err
		}
		return w.Encrypt, nil
	}
	var w wrapper
	if err := DecodeXML(body, &w); err != nil {
		return "", err
	}
	if len(w.Encrypt) != 1 {
		return "", fmt.Errorf("%d encrypted texts in one push: %w", len(w.Encrypt), ErrMalformed)
	}
	return w.Encrypt[0], nil
}

// decrypted checks msg_signature before anything is decrypted.
func (e *Envelope) decrypted(q url.Values, text string) ([]byte, error) {
	if err := e.signed(q.Get("msg_signature"), q, text); err != nil {
		return nil, err
	}
	msg, receiver, err := decrypt(e.key, text)
	if err != nil {
		return nil, err
	}
	if !same(receiver, e.opts.Receiver) {
		return nil, fmt.Errorf("the push is for another account than the config's: %w", ErrReceiver)
	}
	return msg, nil
}

// signed checks a signature and then the time that it covers.
func (e *Envelope) signed(sig string, q url.Values, more ...string) error {
	stamp := q.Get("timestamp")
	parts := append([]string{e.opts.Token.Reveal(), stamp, q.Get("nonce")}, more...)
	if !same(sig, Signature(parts...)) {
		return fmt.Errorf("compare the Token with the console: %w", ErrSignature)
	}
	unix, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return fmt.Errorf("the time stamp is no number: %w", ErrMalformed)
	}
	age := e.opts.Now().Sub(time.Unix(unix, 0))
	if w := e.opts.Window; w > 0 && (age > w || age < -w) {
		return fmt.Errorf("check this computer's clock: %w", ErrOld)
	}
	return nil
}

// sealed is an encrypted answer; its fields have the order of the documents.
type sealed struct {
	XMLName      xml.Name `xml:"xml" json:"-"`
	Encrypt      cdata
	MsgSignature cdata
	TimeStamp    int64
	Nonce        cdata
}

// Seal makes an answer ready to be sent: encrypted as the push was, else as it is.
func (e *Envelope) Seal(p Push, answer []byte) ([]byte, error) {
	if !p.encrypted || len(answer) == 0 {
		return answer, nil
	}
	if len(answer) > MaxBody {
		return nil, fmt.Errorf("an answer of more than %d bytes: %w", MaxBody, bridge.ErrTooLarge)
	}
	var random [randomSize]byte
	_, _ = rand.Read(random[:]) // never fails, says its comment
	return e.seal(answer, random[:], e.opts.Now().Unix(), p.nonce, p.JSON)
}

func (e *Envelope) seal(answer, random []byte, at int64, nonce string, asJSON bool) ([]byte, error) {
	text, err := encrypt(e.key, random, answer, e.opts.Receiver)
	if err != nil {
		return nil, err
	}
	s := sealed{
		Encrypt: cdata{text}, TimeStamp: at, Nonce: cdata{nonce},
		MsgSignature: cdata{Signature(e.opts.Token.Reveal(), strconv.FormatInt(at, 10), nonce, text)},
	}
	if asJSON {
		return httpx.EncodeJSON(s)
	}
	return xml.Marshal(s)
}

// cdata is text that is written as CDATA.
type cdata struct {
	Text string `xml:",cdata"`
}

// MarshalJSON makes it a string in JSON.
func (c cdata) MarshalJSON() ([]byte, error) { return httpx.EncodeJSON(c.Text) }

func isJSON(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n\ufeff"), []byte("{"))
}
