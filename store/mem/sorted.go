package mem

import (
	"cmp"
	"slices"
)

// sorted is a list of ids in order.
type sorted[K cmp.Ordered] []K

// with is the list with k in its place.
func (s sorted[K]) with(k K) sorted[K] {
	if len(s) == 0 || s[len(s)-1] < k {
		return append(s, k) // ids rise: this is the way of nearly every call
	}
	i, found := slices.BinarySearch(s, k)
	if found {
		return s
	}
	return slices.Insert(s, i, k)
}

// without is the list without k.
func (s sorted[K]) without(k K) sorted[K] {
	i, found := slices.BinarySearch(s, k)
	switch {
	case !found:
		return s
	case i == 0:
		return s[1:]
	default:
		return slices.Delete(s, i, i+1)
	}
}

// above is a part of the list: at most n of the ids after k.
func (s sorted[K]) above(k K, n int) sorted[K] {
	i, found := slices.BinarySearch(s, k)
	if found {
		i++
	}
	return s[i:min(len(s), i+max(n, 0))]
}

// below is a part of the list: at most n of the ids before k, the nearest ones.
func (s sorted[K]) below(k K, n int) sorted[K] {
	i, _ := slices.BinarySearch(s, k)
	return s[max(0, i-max(n, 0)):i]
}

// put adds k to the list kept under g; drop takes it away, and the list with it once it is empty.
func put[G comparable, K cmp.Ordered](m map[G]sorted[K], g G, k K) { m[g] = m[g].with(k) }

func drop[G comparable, K cmp.Ordered](m map[G]sorted[K], g G, k K) {
	if l := m[g].without(k); len(l) > 0 {
		m[g] = l
	} else {
		delete(m, g)
	}
}
