// Package needs says what a test cannot do without on this machine.
package needs

import (
	"os"
	"testing"
)

// NoMounts is the environment variable that says that this machine cannot mount file systems (a
// container without the right to). Without it, a test that needs to mount and cannot fails.
const NoMounts = "HUTONG_E2E_NO_MOUNTS"

// Mounts ends the test unless the process may mount file systems.
func Mounts(t testing.TB) {
	t.Helper()
	if os.Getenv(NoMounts) != "" {
		t.Skipf("%s is set: this machine cannot mount file systems, so nothing is known about power cuts and full disks", NoMounts)
	}
	if os.Geteuid() != 0 {
		t.Fatalf("this test mounts a file system and so has to be run by root; to go without it set %s=1", NoMounts)
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Fatalf("this test mounts a file system through /dev/fuse: %v; to go without it set %s=1", err, NoMounts)
	}
}
