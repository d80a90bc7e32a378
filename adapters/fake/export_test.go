package fake

import "github.com/hutong-im/hutong/bridge"

// ReadHook is what a hook makes of a body, for the fuzzer.
func ReadHook(body []byte) (bridge.Event, error) {
	e, err := readHook(body)
	if err != nil {
		return nil, err
	}
	return e.convert()
}
