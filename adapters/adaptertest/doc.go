// Package adaptertest is the contract of adapters as a suite of tests. Every sentence of
// bridge.Adapter and its add-ons is a check; every adapter passes all of them against a network that
// can be told to misbehave. Add-ons that an adapter does not implement, and trouble that its network
// cannot make, are skipped with the reason.
//
// An adapter's test is an implementation of Network and one call:
//
//	func TestAdapter(t *testing.T) {
//		adaptertest.Run(t, pigeon.Kind(), newNetwork(t))
//	}
package adaptertest
