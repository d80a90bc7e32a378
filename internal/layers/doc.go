// Package layers has no code, only tests. They read the whole tree and fail when an import points the
// wrong way, when a file or a function has outgrown its budget, and when a document names a file that
// is not there. The rules and the sentence that a breach is answered with stand in rules_test.go.
package layers
