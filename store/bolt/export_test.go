package bolt

// MergeAbove makes a store merge its index as soon as it has so many entries.
func MergeAbove(o Options, n int) Options {
	o.mergeAbove = n
	return o
}
