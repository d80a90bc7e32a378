package tencent

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1" //nolint:gosec // the networks sign with SHA-1, see Signature
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The layout of a message before it is encrypted: 16 random bytes, its length in 4 bytes (big-endian),
// the message, the receiver's id, and padding as of PKCS#7 but with blocks of 32 bytes, though those
// of AES have 16. https://developer.work.weixin.qq.com/document/path/90968
const (
	randomSize = 16
	lengthSize = 4
	padBlock   = 32
	ivSize     = aes.BlockSize
)

var keyShape = regexp.MustCompile(`^[A-Za-z0-9]{43}$`)

// decodeKey reads an EncodingAESKey. Its last character may carry bits that do not belong to the 32
// bytes (the official example does), so the decoder must not be a strict one.
func decodeKey(encoded string) ([]byte, error) {
	if !keyShape.MatchString(encoded) {
		return nil, errors.New("the EncodingAESKey has 43 letters and digits; copy it again from the network's console")
	}
	key, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("the EncodingAESKey cannot be decoded; copy it again from the network's console")
	}
	return key, nil
}

// Signature is the lower-case hex SHA-1 of the parts, sorted as bytes and joined: "signature" with
// token, timestamp and nonce, "msg_signature" with the encrypted text beside them.
// https://developer.work.weixin.qq.com/document/path/90968
func Signature(parts ...string) string {
	sorted := slices.Sorted(slices.Values(parts))
	sum := sha1.Sum([]byte(strings.Join(sorted, ""))) //nolint:gosec // the networks ask for SHA-1
	return hex.EncodeToString(sum[:])
}

// same compares in constant time.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// encrypt packs and encrypts; random has 16 bytes.
func encrypt(key, random, msg []byte, receiver string) (string, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", fmt.Errorf("encrypt: %w", err)
	}
	var b bytes.Buffer
	b.Write(random)
	var size [lengthSize]byte
	binary.BigEndian.PutUint32(size[:], uint32(len(msg))) //nolint:gosec // an answer is far below 4 GiB, see Seal
	b.Write(size[:])
	b.Write(msg)
	b.WriteString(receiver)
	pad := padBlock - b.Len()%padBlock
	b.Write(bytes.Repeat([]byte{byte(pad)}, pad))
	out := b.Bytes()
	cipher.NewCBCEncrypter(block, key[:ivSize]).CryptBlocks(out, out)
	return base64.StdEncoding.EncodeToString(out), nil
}

// decrypt is the other way. It is called for what was signed only, so that its errors, which are all
// ErrMalformed, tell a stranger nothing.
func decrypt(key []byte, text string) (msg []byte, receiver string, err error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(data) == 0 || len(data)%padBlock != 0 {
		return nil, "", fmt.Errorf("the encrypted text is not whole: %w", ErrMalformed)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, "", fmt.Errorf("decrypt: %w", err)
	}
	cipher.NewCBCDecrypter(block, key[:ivSize]).CryptBlocks(data, data)
	pad := int(data[len(data)-1])
	if pad < 1 || pad > padBlock || !bytes.Equal(data[len(data)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, "", fmt.Errorf("cannot be decrypted; compare the EncodingAESKey with the console: %w", ErrMalformed)
	}
	data = data[:len(data)-pad]
	if len(data) < randomSize+lengthSize {
		return nil, "", fmt.Errorf("decrypted to too little: %w", ErrMalformed)
	}
	size := uint64(binary.BigEndian.Uint32(data[randomSize:]))
	data = data[randomSize+lengthSize:]
	if size > uint64(len(data)) {
		return nil, "", fmt.Errorf("decrypted to less than it says: %w", ErrMalformed)
	}
	return data[:size], string(data[size:]), nil
}
