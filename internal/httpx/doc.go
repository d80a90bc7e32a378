// Package httpx is what every adapter needs of HTTP, once: answers turned into verdicts (Do), requests
// to addresses that strangers chose (Guarded), signatures of what networks call (Signer), live updates
// for pages (Stream), and the headers and limits of pages (Secure, SameOrigin, ReadJSON).
//
// No error of this package holds a secret: of an address only the host is named, since tokens stand in
// paths and queries, and neither bodies nor headers are ever quoted.
package httpx
