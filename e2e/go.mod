module github.com/hutong-im/hutong/e2e

go 1.26.0

require (
	github.com/chromedp/chromedp v0.23.0
	github.com/hanwen/go-fuse/v2 v2.12.1
	github.com/hutong-im/hutong v0.0.0
)

require golang.org/x/sys v0.49.0 // indirect

replace github.com/hutong-im/hutong => ../
