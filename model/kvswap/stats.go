package kvswap

// Stats are a store's figures.
type Stats struct {
	// Entries is how many there are, reserved ones among them.
	Entries int
	// HostBlocks is how many blocks of memory are taken, DiskBlocks how many of files, those being written among them. Blocks
	// that are in memory and in a file count in both.
	HostBlocks, DiskBlocks int
	// DiskBytes is the size of the files that are whole.
	DiskBytes int64
	// SpilledBlocks and FetchedBlocks total what was written to files and read back, and Bytes the files' sizes.
	SpilledBlocks, FetchedBlocks int
	SpilledBytes, FetchedBytes   int64
}

// Stats returns the figures of now.
func (s *Store) Stats() Stats {
	s.collect()
	now := s.totals
	now.Entries, now.HostBlocks, now.DiskBlocks = len(s.entries), s.host, s.disk
	for _, e := range s.order {
		now.DiskBytes += e.size
	}
	return now
}
