package httpx

import (
	"errors"
	"net/textproto"
	"net/url"
	"strings"
)

// redact takes out of an error of net/http whatever may hold a secret. A url.Error quotes the whole
// address, with its query and the token in its path; complaints about a malformed answer quote the
// answer. The cause stays, for errors.Is and errors.As.
func redact(err error) error {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	if err == nil {
		return nil
	}
	var proto textproto.ProtocolError
	if errors.As(err, &proto) || strings.ContainsAny(err.Error(), "\"`\n") {
		return &quiet{err}
	}
	return err
}

// quiet is an error whose text must not be shown.
type quiet struct{ cause error }

func (*quiet) Error() string   { return "the connection broke or the answer is not HTTP" }
func (q *quiet) Unwrap() error { return q.cause }
