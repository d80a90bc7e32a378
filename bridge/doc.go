// Package bridge is hutong's domain and its road.
package bridge
