package powercut

import (
	"context"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// fileNode and dirNode show the nodes of a disk to the kernel. They hold no state.
type (
	fileNode struct {
		fs.Inode
		disk *Disk
		n    *node
	}
	dirNode struct {
		fs.Inode
		disk *Disk
		n    *node
	}
)

var (
	_ fs.NodeGetattrer = (*fileNode)(nil)
	_ fs.NodeSetattrer = (*fileNode)(nil)
	_ fs.NodeOpener    = (*fileNode)(nil)
	_ fs.NodeReader    = (*fileNode)(nil)
	_ fs.NodeWriter    = (*fileNode)(nil)
	_ fs.NodeFsyncer   = (*fileNode)(nil)
	_ fs.NodeFlusher   = (*fileNode)(nil)
	_ fs.NodeGetattrer = (*dirNode)(nil)
	_ fs.NodeSetattrer = (*dirNode)(nil)
	_ fs.NodeLookuper  = (*dirNode)(nil)
	_ fs.NodeReaddirer = (*dirNode)(nil)
	_ fs.NodeCreater   = (*dirNode)(nil)
	_ fs.NodeMkdirer   = (*dirNode)(nil)
	_ fs.NodeMknoder   = (*dirNode)(nil)
	_ fs.NodeLinker    = (*dirNode)(nil)
	_ fs.NodeUnlinker  = (*dirNode)(nil)
	_ fs.NodeRmdirer   = (*dirNode)(nil)
	_ fs.NodeRenamer   = (*dirNode)(nil)
	_ fs.NodeFsyncer   = (*dirNode)(nil)
	_ fs.NodeStatfser  = (*dirNode)(nil)
)

func (d *Disk) attr(n *node, out *fuse.Attr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out.Ino, out.Mode, out.Size, out.Nlink = n.id, n.mode, uint64(len(n.data)), 1
	out.Blocks = (out.Size + sector - 1) / sector
}

// chmod changes permissions; they are not part of what a cut takes back.
func (d *Disk) chmod(n *node, in *fuse.SetAttrIn) {
	if mode, set := in.GetMode(); set {
		d.mu.Lock()
		n.mode = n.mode&syscall.S_IFMT | mode&0o7777
		d.mu.Unlock()
	}
}

func (f *fileNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	f.disk.attr(f.n, &out.Attr)
	return 0
}

func (f *fileNode) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	f.disk.chmod(f.n, in)
	if size, set := in.GetSize(); set {
		if errno := f.disk.write(f.n, write{size: int64(size)}); errno != 0 { //nolint:gosec // the kernel's limit is 2^63
			return errno
		}
	}
	f.disk.attr(f.n, &out.Attr)
	return 0
}

// Open keeps the kernel's pages, which a program may have mapped.
func (f *fileNode) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

func (f *fileNode) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if off >= int64(len(f.n.data)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(dest[:copy(dest, f.n.data[off:])]), 0
}

func (f *fileNode) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	if errno := f.disk.write(f.n, write{off: off, data: slices.Clone(data)}); errno != 0 {
		return 0, errno
	}
	return uint32(len(data)), 0 //nolint:gosec // a request is at most 1 MiB
}

func (f *fileNode) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return f.disk.sync(f.n)
}

// Flush is a close, and makes nothing durable.
func (f *fileNode) Flush(context.Context, fs.FileHandle) syscall.Errno { return 0 }

func (d *dirNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	d.disk.attr(d.n, &out.Attr)
	return 0
}

func (d *dirNode) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	d.disk.chmod(d.n, in)
	d.disk.attr(d.n, &out.Attr)
	return 0
}

// Statfs shows a disk that is never full: 1 TiB free.
func (d *dirNode) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	out.Bsize, out.Blocks, out.Bfree, out.Bavail, out.NameLen = 4096, 1<<28, 1<<28, 1<<28, 255
	return 0
}

func (d *dirNode) show(ctx context.Context, n *node, out *fuse.EntryOut) *fs.Inode {
	d.disk.attr(n, &out.Attr)
	id := fs.StableAttr{Mode: n.mode & syscall.S_IFMT, Ino: n.id}
	if n.dir() {
		return d.NewInode(ctx, &dirNode{disk: d.disk, n: n}, id)
	}
	return d.NewInode(ctx, &fileNode{disk: d.disk, n: n}, id)
}

func (d *dirNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	d.disk.mu.Lock()
	n, found := d.n.entries[name]
	d.disk.mu.Unlock()
	if !found {
		return nil, syscall.ENOENT
	}
	return d.show(ctx, n, out), 0
}

func (d *dirNode) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	d.disk.mu.Lock()
	defer d.disk.mu.Unlock()
	list := make([]fuse.DirEntry, 0, len(d.n.entries))
	for name, n := range d.n.entries {
		list = append(list, fuse.DirEntry{Name: name, Mode: n.mode, Ino: n.id})
	}
	slices.SortFunc(list, func(a, b fuse.DirEntry) int { return int(a.Ino) - int(b.Ino) }) //nolint:gosec // small numbers
	return fs.NewListDirStream(list), 0
}

// add gives a name that must be free to the node that made makes.
func (d *dirNode) add(name string, made func() *node) (*node, syscall.Errno) {
	var n *node
	errno := d.disk.rename(func() (change, syscall.Errno) {
		if _, taken := d.n.entries[name]; taken {
			return nil, syscall.EEXIST
		}
		n = made()
		return change{{d.n, name, n}}, 0
	})
	return n, errno
}

func (d *dirNode) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	n, errno := d.add(name, func() *node { return d.disk.newNode(syscall.S_IFREG | mode&0o7777) })
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return d.show(ctx, n, out), nil, fuse.FOPEN_KEEP_CACHE, 0
}

func (d *dirNode) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n, errno := d.add(name, func() *node { return d.disk.newNode(syscall.S_IFDIR | mode&0o7777) })
	if errno != 0 {
		return nil, errno
	}
	return d.show(ctx, n, out), 0
}

// Mknod makes the sockets that programs listen at; other special files are not offered.
func (d *dirNode) Mknod(ctx context.Context, name string, mode, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if kind := mode & syscall.S_IFMT; kind != syscall.S_IFSOCK && kind != syscall.S_IFREG {
		return nil, syscall.EPERM
	}
	n, errno := d.add(name, func() *node { return d.disk.newNode(mode) })
	if errno != 0 {
		return nil, errno
	}
	return d.show(ctx, n, out), 0
}

func (d *dirNode) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	f, is := target.(*fileNode)
	if !is {
		return nil, syscall.EPERM
	}
	n, errno := d.add(name, func() *node { return f.n })
	if errno != 0 {
		return nil, errno
	}
	return d.show(ctx, n, out), 0
}

func (d *dirNode) Unlink(_ context.Context, name string) syscall.Errno {
	return d.disk.rename(func() (change, syscall.Errno) {
		n, found := d.n.entries[name]
		switch {
		case !found:
			return nil, syscall.ENOENT
		case n.dir():
			return nil, syscall.EISDIR
		}
		return change{{d.n, name, nil}}, 0
	})
}

func (d *dirNode) Rmdir(_ context.Context, name string) syscall.Errno {
	return d.disk.rename(func() (change, syscall.Errno) {
		n, found := d.n.entries[name]
		switch {
		case !found:
			return nil, syscall.ENOENT
		case !n.dir():
			return nil, syscall.ENOTDIR
		case len(n.entries) > 0:
			return nil, syscall.ENOTEMPTY
		}
		return change{{d.n, name, nil}}, 0
	})
}

// Rename replaces what has the new name, in one step. The flags of renameat2 are not offered.
func (d *dirNode) Rename(_ context.Context, name string, parent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	to, is := parent.(*dirNode)
	if !is || flags != 0 {
		return syscall.EINVAL
	}
	return d.disk.rename(func() (change, syscall.Errno) {
		n, found := d.n.entries[name]
		if !found {
			return nil, syscall.ENOENT
		}
		if old, taken := to.n.entries[newName]; taken && (old.dir() != n.dir() || len(old.entries) > 0) {
			return nil, syscall.EEXIST
		}
		return change{{d.n, name, nil}, {to.n, newName, n}}, 0
	})
}

func (d *dirNode) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return d.disk.sync(d.n)
}
