package httpx

import (
	"errors"
	"net/url"
)

// redact takes the address out of the errors of net/http, which quote it whole, with its query and
// whatever token stands in its path. The cause below stays, for errors.Is.
func redact(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
