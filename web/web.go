// Package web holds the pages: html, css, js and words, embedded as they are written.
package web

import "embed"

// Files are the pages, one folder for each part of the gateway and "shared" for what they have in common.
//
//go:embed shared desk webchat
var Files embed.FS
