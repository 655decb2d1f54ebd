// Package window counts KV blocks that sliding windows see. The plan of a model and the cache both count by it, so that what is planned is what is held.
package window

// Hidden returns how many blocks of size tokens hold nothing that a row of a position sees, whose window is so many tokens, itself the last of
// them; 0 is all.
func Hidden(window, position, size int) int {
	if window == 0 {
		return 0
	}
	return max(0, position-window+1) / size
}

// Seen returns how many of n blocks of size tokens so many rows next to each other see at most.
func Seen(window, n, rows, size int) int {
	if window == 0 {
		return n
	}
	return min(n, (window+rows-2+size-1)/size+1)
}
