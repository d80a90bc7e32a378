// Package browser is a network whose far side is a page of the gateway itself: what the desk and the
// web chat share. Chat is the adapter's half (Send and the add-ons become live events, what a page posts
// becomes bridge events); the rest is what such pages need: sessions, limits, assets, words.
//
// Nothing said is kept here. The history behind bridge.Lobby is the only truth: a live event tells a
// page that there is something to read, and the page reads it.
package browser
