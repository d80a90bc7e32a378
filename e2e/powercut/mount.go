package powercut

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Mount is a disk with power, seen at a folder.
type Mount struct {
	server *fuse.Server
}

// attrTimeout is how long the kernel may believe the sizes that it was told, in which it counts its
// own writes itself.
const attrTimeout = time.Second

// Mount turns the power on and mounts the disk at an empty folder. It needs root and /dev/fuse.
func (d *Disk) Mount(folder string) (*Mount, error) {
	d.powerOn()
	believe := attrTimeout
	server, err := fs.Mount(folder, &dirNode{disk: d, n: d.root}, &fs.Options{
		AttrTimeout:  &believe,
		EntryTimeout: &believe,
		RootStableAttr: &fs.StableAttr{
			Mode: syscall.S_IFDIR,
			Ino:  d.root.id,
		},
		MountOptions: fuse.MountOptions{
			DirectMount:       true,
			DirectMountStrict: true,
			DisableXAttrs:     true,
			FsName:            "powercut",
			Name:              "powercut",
		},
	})
	if err != nil {
		return nil, fmt.Errorf("mount %s: %w", folder, err)
	}
	return &Mount{server: server}, nil
}

// unmountTries is how often Unmount asks; the kernel closes a killed program's files after the
// program is seen dead.
const unmountTries = 50

// Unmount takes the disk away. The programs that used it must have ended. Unless the power was cut
// before, nothing is lost.
func (m *Mount) Unmount() error {
	var err error
	for range unmountTries {
		if err = m.server.Unmount(); !errors.Is(err, syscall.EBUSY) {
			break
		}
		<-time.After(20 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("unmount: %w", err)
	}
	m.server.Wait()
	return nil
}
