package wecomtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// maxCall bounds what the API reads: a file of 20 MB and its form.
const maxCall = 24 << 20

func readAll(r *http.Request) ([]byte, error) { return io.ReadAll(io.LimitReader(r.Body, maxCall)) }

var escaped = regexp.MustCompile(`(?:^|[^\\])(?:\\\\)*\\u([0-9a-fA-F]{4})`)

// look complains of JSON that WeCom is known to show wrongly: escaped characters, and nulls. s.mu is held.
func (s *Server) look(path string, body []byte) {
	for _, m := range escaped.FindAllSubmatch(body, -1) {
		n, _ := strconv.ParseUint(string(m[1]), 16, 32)
		if n >= 0x20 && n != 0x2028 && n != 0x2029 { // Go escapes these two whatever it is told
			s.complain("%s: \\u%s is escaped; WeCom has shown that literally", path, m[1])
		}
	}
	var v any
	if json.Unmarshal(body, &v) == nil {
		s.nulls(path, v)
	}
}

func (s *Server) nulls(path string, v any) {
	switch v := v.(type) {
	case nil:
		s.complain("%s: a null", path)
	case map[string]any:
		for k, x := range v {
			s.nulls(path+" "+k, x)
		}
	case []any:
		for _, x := range v {
			s.nulls(path, x)
		}
	}
}

// read takes a body apart; a field of the wrong type is refused, an unknown one complained of. s.mu is held.
func (s *Server) read(path string, body []byte, v any) *refusal {
	strict := json.NewDecoder(bytes.NewReader(body))
	strict.DisallowUnknownFields()
	err := strict.Decode(v)
	if err != nil && strings.Contains(err.Error(), "unknown field") {
		s.complain("%s: %v", path, err)
		err = json.Unmarshal(body, v)
	}
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		return refuse(40058, "field `%s` expect type `%s`", wrong.Field, wrong.Type)
	case err != nil:
		return refuse(47001, "data format error")
	}
	return nil
}
