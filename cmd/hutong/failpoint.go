package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// failpointEnv makes the process kill itself, as kill -9 would, the N-th time that a step of the road
// or of the store is reached: HUTONG_FAILPOINT=deliver.after-send:3. It exists for crash tests.
const failpointEnv = "HUTONG_FAILPOINT"

// failpoint is what to call at each step; nil when nobody asked for it.
func failpoint() (func(name string), error) {
	wish := os.Getenv(failpointEnv)
	if wish == "" {
		return nil, nil
	}
	name, number, _ := strings.Cut(wish, ":")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 || name == "" {
		return nil, fmt.Errorf("%s=%s: must be name:N, such as receive.begin:1; unset it, it is for crash tests", failpointEnv, wish)
	}
	var left atomic.Int64
	left.Store(n)
	return func(reached string) {
		if reached != name || left.Add(-1) != 0 {
			return
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing after this point may happen
	}, nil
}
