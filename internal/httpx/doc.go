// Package httpx is what every adapter needs of HTTP, once: answers turned into verdicts (Do, Verdict),
// requests to addresses that strangers chose (Guarded), signatures of what networks call (Signer), live
// updates for pages (Stream), and the headers and limits of pages (Secure, SameOrigin, ReadJSON).
//
// No error of this package holds a secret: addresses are cut to scheme, host and path without query,
// and bodies are never quoted.
package httpx
