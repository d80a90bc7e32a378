module github.com/hutong-im/hutong/e2e

go 1.26.7

require (
	github.com/hanwen/go-fuse/v2 v2.12.1
	github.com/hutong-im/hutong v0.0.0
)

require (
	github.com/rivo/uniseg v0.4.7 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/hutong-im/hutong => ../
