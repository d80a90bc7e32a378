// Package fake is the reference adapter and the network that it speaks to, in memory.
//
// A Network is a messenger or a workspace: users, rooms, messages, and one account that belongs to the
// adapter. Tests drive its users (Say, Edit, Recall, React, Join, Press), look at what they see (Messages, Wait),
// and make it misbehave (Fail). It keeps the promises of a good network: it brings an event again until
// it is acknowledged, in order per room; it enforces its limits and its window; it counts what came twice.
//
// The adapter reaches it in process (Network.Config) or over HTTP (Network.Handler and
// Network.HTTPConfig), where the network calls the adapter's hook with signed requests. Over HTTP the
// gateway may be another process that is killed while the network lives on in the test.
//
// What the network and its adapter can do is a profile: see Profiles. A Script is a conversation
// written down, in which people say and expect.
package fake
