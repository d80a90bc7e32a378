// Package bench measures the gateway between a web chat and a real Mattermost beside a program that does
// nothing but call Mattermost's API. make bench runs it.
package bench
